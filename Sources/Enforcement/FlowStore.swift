import DomainNames
import NetworkTypes
import PolicyEngine
import Synchronization

/// The live flows as they outlive the process: fixed records in a memory-mapped file.
///
///     header (4096 bytes): magic, layout version, record bytes, capacity, boot mark, records used
///     record (640 bytes):  [state 4][endpoint 4][entry id 4][policy version 4]
///                          [source 16][destination 16][original destination 16][start 8]
///                          [source port 2][destination port 2][original port 2][family 1][protocol 1]
///                          [name length 1][reason 1][rule length 1][0 1][checksum 4][0 8][name 256][rule 256][0 32]
///
/// As in the BindingStore a record is written while its state is free and then given its state; one whose checksum does not hold is
/// skipped. The reason is 255 where nothing is known of the verdict. Counters are not kept: connection tracking has them. One owner.
final class FlowStore {
    private static let magic: UInt64 = 0x4578_6561_7446_6c6f  // "ExeatFlo"
    private static let unfinished: UInt64 = 1
    /// Change it with the layout: another version's file is not read but begun anew.
    private static let layoutVersion: UInt32 = 1
    private static let headerBytes = 4096
    private static let recordBytes = 640
    private static let nameOffset = 96
    private static let ruleOffset = 352
    private static let textMax = 255
    private static let noReason: UInt8 = 255

    private let memory: SharedMemory
    private var room: RecordRoom
    let capacity: Int
    /// Whether the memory held a store of this layout, size and boot.
    let wasKept: Bool

    static func byteCount(capacity: Int) -> Int { headerBytes + capacity * recordBytes }

    /// Takes over `memory`; what was written under another boot, layout or size is forgotten.
    init(_ memory: SharedMemory, capacity: Int, bootMark: UInt64) {
        precondition(memory.byteCount >= Self.byteCount(capacity: capacity), "memory too small for the capacity")
        self.memory = memory
        self.capacity = capacity
        room = RecordRoom(memory)
        let base = unsafe memory.base
        var isKept =
            unsafe base.load(as: UInt64.self) == Self.magic
            && base.load(fromByteOffset: 8, as: UInt32.self) == Self.layoutVersion
            && base.load(fromByteOffset: 12, as: UInt32.self) == UInt32(Self.recordBytes)
            && base.load(fromByteOffset: 16, as: UInt64.self) == UInt64(capacity)
            && base.load(fromByteOffset: 24, as: UInt64.self) == bootMark
        // A file that somebody has cut short comes back with holes.
        if isKept {
            let used = min(Int(clamping: unsafe base.load(fromByteOffset: 32, as: UInt64.self)), capacity)
            isKept = room.covers(Self.byteCount(capacity: used))
        }
        wasKept = isKept
        guard !isKept else { return }
        // A start that dies in between leaves a header that says so. What stands in the records counts no more once none was used.
        unsafe base.storeBytes(of: Self.unfinished, as: UInt64.self)
        atomicMemoryFence(ordering: .releasing)
        unsafe base.storeBytes(of: Self.layoutVersion, toByteOffset: 8, as: UInt32.self)
        unsafe base.storeBytes(of: UInt32(Self.recordBytes), toByteOffset: 12, as: UInt32.self)
        unsafe base.storeBytes(of: UInt64(capacity), toByteOffset: 16, as: UInt64.self)
        unsafe base.storeBytes(of: bootMark, toByteOffset: 24, as: UInt64.self)
        unsafe base.storeBytes(of: 0, toByteOffset: 32, as: UInt64.self)
        atomicMemoryFence(ordering: .releasing)
        unsafe base.storeBytes(of: Self.magic, as: UInt64.self)
    }

    /// No record at or beyond this was ever written.
    private(set) var usedCount: Int {
        get { min(Int(clamping: unsafe memory.base.load(fromByteOffset: 32, as: UInt64.self)), capacity) }
        set { unsafe memory.base.storeBytes(of: UInt64(newValue), toByteOffset: 32, as: UInt64.self) }
    }

    private func place(_ record: Int) -> UnsafeMutableRawPointer {
        precondition(record >= 0 && record < capacity, "flow record")
        // Sound: the memory holds the header and `capacity` records.
        return unsafe memory.base + (Self.headerBytes + record * Self.recordBytes)
    }

    /// False if there is no room for it: the next process will not know it.
    func write(_ record: Int, _ flow: TrackedFlow) -> Bool {
        guard room.covers(Self.byteCount(capacity: record + 1)) else { return false }
        let at = unsafe place(record)
        // Those between found no room: whatever stands there is nothing.
        for skipped in min(usedCount, record)..<record {
            unsafe place(skipped).initializeMemory(as: UInt8.self, repeating: 0, count: Self.nameOffset)
        }
        unsafe at.storeBytes(of: 0, as: UInt32.self)
        // The process may be killed at any store: what is in between is in memory only while the record is free.
        atomicMemoryFence(ordering: .releasing)
        unsafe at.storeBytes(of: flow.endpoint.rawValue, toByteOffset: 4, as: UInt32.self)
        unsafe at.storeBytes(of: flow.id, toByteOffset: 8, as: UInt32.self)
        unsafe at.storeBytes(of: flow.admission?.policyVersion ?? 0, toByteOffset: 12, as: UInt32.self)
        for (offset, address) in [(16, flow.key.source), (32, flow.key.destination), (48, flow.originalDestination)] {
            unsafe at.storeBytes(of: address.upper, toByteOffset: offset, as: UInt64.self)
            unsafe at.storeBytes(of: address.lower, toByteOffset: offset + 8, as: UInt64.self)
        }
        unsafe at.storeBytes(of: flow.start.nanoseconds, toByteOffset: 64, as: UInt64.self)
        unsafe at.storeBytes(of: flow.key.sourcePort, toByteOffset: 72, as: UInt16.self)
        unsafe at.storeBytes(of: flow.key.destinationPort, toByteOffset: 74, as: UInt16.self)
        unsafe at.storeBytes(of: flow.originalDestinationPort, toByteOffset: 76, as: UInt16.self)
        unsafe at.storeBytes(of: flow.key.source.family.rawValue, toByteOffset: 78, as: UInt8.self)
        unsafe at.storeBytes(of: flow.key.transport.rawValue, toByteOffset: 79, as: UInt8.self)
        let name = flow.admission?.name?.rootFirst ?? []
        let rule = Self.rule(flow.admission?.rule ?? "")
        unsafe at.storeBytes(of: UInt8(name.count), toByteOffset: 80, as: UInt8.self)
        unsafe at.storeBytes(of: flow.admission?.reason.rawValue ?? Self.noReason, toByteOffset: 81, as: UInt8.self)
        unsafe at.storeBytes(of: UInt8(rule.count), toByteOffset: 82, as: UInt8.self)
        // No name of the root: it would have no bytes, and no binding is under it.
        for (index, byte) in name.enumerated() { unsafe at.storeBytes(of: byte, toByteOffset: Self.nameOffset + index, as: UInt8.self) }
        for (index, byte) in rule.enumerated() { unsafe at.storeBytes(of: byte, toByteOffset: Self.ruleOffset + index, as: UInt8.self) }
        unsafe at.storeBytes(of: checksum(at), toByteOffset: 84, as: UInt32.self)
        atomicMemoryFence(ordering: .releasing)
        unsafe at.storeBytes(of: flow.state.rawValue, as: UInt32.self)
        // Last: until it is overwritten a record of an earlier boot may stand here.
        if record >= usedCount { usedCount = record + 1 }
        return true
    }

    /// At most `textMax` bytes, ending at a character.
    private static func rule(_ text: String) -> [UInt8] {
        var text = text
        while text.utf8.count > textMax { text.removeLast() }
        return Array(text.utf8)
    }

    /// The state is outside the checksum: changing it is one store.
    func setState(_ record: Int, _ state: TrackedFlow.State) {
        guard record < usedCount else { return }
        unsafe place(record).storeBytes(of: state.rawValue, as: UInt32.self)
    }

    func free(_ record: Int) {
        guard record < usedCount else { return }
        unsafe place(record).storeBytes(of: 0, as: UInt32.self)
    }

    /// What a record holds; nil if it is free, torn or makes no sense.
    func flow(_ record: Int) -> TrackedFlow? {
        let at = unsafe place(record)
        let nameCount = Int(unsafe at.load(fromByteOffset: 80, as: UInt8.self))
        let ruleCount = Int(unsafe at.load(fromByteOffset: 82, as: UInt8.self))
        guard let state = TrackedFlow.State(rawValue: unsafe at.load(as: UInt32.self)),
            unsafe at.load(fromByteOffset: 84, as: UInt32.self) == checksum(at),
            let family = IPFamily(rawValue: unsafe at.load(fromByteOffset: 78, as: UInt8.self))
        else { return nil }
        func address(_ offset: Int) -> IPAddress {
            let upper = unsafe at.load(fromByteOffset: offset, as: UInt64.self)
            let lower = unsafe at.load(fromByteOffset: offset + 8, as: UInt64.self)
            return family == .v4 ? IPAddress(v4: UInt32(truncatingIfNeeded: lower)) : IPAddress(v6Upper: upper, lower: lower)
        }
        func bytes(_ offset: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { unsafe at.load(fromByteOffset: offset + $0, as: UInt8.self) }
        }
        let endpoint = EndpointID(rawValue: unsafe at.load(fromByteOffset: 4, as: UInt32.self))
        var admission: FlowAdmission?
        if let reason = VerdictReason(rawValue: unsafe at.load(fromByteOffset: 81, as: UInt8.self)) {
            admission = FlowAdmission(
                endpoint: endpoint, name: nameCount == 0 ? nil : try? DomainName(rootFirst: bytes(Self.nameOffset, nameCount)),
                rule: String(decoding: bytes(Self.ruleOffset, ruleCount), as: UTF8.self), reason: reason,
                policyVersion: unsafe at.load(fromByteOffset: 12, as: UInt32.self))
        }
        let key = FlowKey(
            source: address(16), destination: address(32),
            transport: TransportProtocol(rawValue: unsafe at.load(fromByteOffset: 79, as: UInt8.self)),
            sourcePort: unsafe at.load(fromByteOffset: 72, as: UInt16.self),
            destinationPort: unsafe at.load(fromByteOffset: 74, as: UInt16.self))
        return TrackedFlow(
            key: key, state: state, originalDestination: address(48),
            originalDestinationPort: unsafe at.load(fromByteOffset: 76, as: UInt16.self),
            id: unsafe at.load(fromByteOffset: 8, as: UInt32.self), endpoint: endpoint, admission: admission, traffic: .zero,
            start: Instant(nanoseconds: unsafe at.load(fromByteOffset: 64, as: UInt64.self)), end: nil, mark: .admitted, isRecovered: true,
            sweep: 0, missedSweeps: 0, isTold: admission != nil)
    }

    private func checksum(_ at: UnsafeMutableRawPointer) -> UInt32 {
        var value: UInt32 = 0x811c_9dc5
        func combine(_ range: Range<Int>) {
            for offset in range { value = (value ^ UInt32(unsafe at.load(fromByteOffset: offset, as: UInt8.self))) &* 0x0100_0193 }
        }
        combine(4..<84)
        combine(Self.nameOffset..<(Self.nameOffset + Int(unsafe at.load(fromByteOffset: 80, as: UInt8.self))))
        combine(Self.ruleOffset..<(Self.ruleOffset + Int(unsafe at.load(fromByteOffset: 82, as: UInt8.self))))
        return value
    }
}
