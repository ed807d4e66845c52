import DomainNames
import NetworkTypes
import Synchronization

/// The bindings as they outlive the process: fixed records in a memory-mapped file.
///
///     header (4096 bytes): magic, layout version, record bytes, capacity, boot mark, records used
///     record (320 bytes):  [state 4][client 4][expiry 8][upper 8][lower 8][family 1][name length 1][0 2][checksum 4][name 254...]
///
/// A record is written while its state is free and then given its state, so that a crash in between leaves a free record;
/// a record whose checksum does not hold is skipped. The lookup table of the verdict threads is built from it anew at
/// start, in one batch. One writer; `name(ofRecord:)` may be called from any thread and checks what it reads.
public final class BindingStore: @unchecked Sendable {
    public enum State: UInt32, Sendable {
        case free = 0
        case live = 1
        case draining = 2
    }

    /// One recovered binding.
    public struct Entry: Sendable {
        public let client: EndpointID
        public let address: IPAddress
        public let name: DomainName
        public let expiry: Instant
        public let state: State
    }

    private static let magic: UInt64 = 0x4578_6561_7442_696e  // "ExeatBin"
    private static let unfinished: UInt64 = 1
    /// Change it with the layout: another version's file is not read but begun anew.
    private static let layoutVersion: UInt32 = 2
    private static let headerBytes = 4096
    static let recordBytes = 320

    private let memory: SharedMemory
    private var room: RecordRoom
    public let capacity: Int

    public static func byteCount(capacity: Int) -> Int { headerBytes + capacity * recordBytes }

    /// Takes over `memory`. `bootMark` tells boots apart (instants of another boot mean nothing); if it, the layout or the
    /// size differ from what the header says, the store begins empty. `wasKept` says which it was.
    public init(_ memory: SharedMemory, capacity: Int, bootMark: UInt64) {
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
        if !isKept {
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
    }

    /// No record at or beyond this was ever written; what lies there is free.
    private(set) var usedCount: Int {
        get { min(Int(clamping: unsafe memory.base.load(fromByteOffset: 32, as: UInt64.self)), capacity) }
        set { unsafe memory.base.storeBytes(of: UInt64(newValue), toByteOffset: 32, as: UInt64.self) }
    }

    /// After recovery: records from here on are free.
    func setUsedCount(_ count: Int) { usedCount = count }

    /// Whether the memory held a store of this layout, size and boot.
    public let wasKept: Bool

    /// False if there is no room for it: the next process will not know it.
    func write(_ record: Int, client: EndpointID, address: IPAddress, name: DomainName, expiry: Instant) -> Bool {
        guard room.covers(Self.byteCount(capacity: record + 1)) else { return false }
        let at = unsafe memory.base + (Self.headerBytes + record * Self.recordBytes)
        let bytes = name.rootFirst
        // Those between found no room: whatever stands there is nothing.
        for skipped in min(usedCount, record)..<record {
            unsafe (memory.base + (Self.headerBytes + skipped * Self.recordBytes)).initializeMemory(
                as: UInt8.self, repeating: 0, count: 40)
        }
        unsafe at.storeBytes(of: State.free.rawValue, as: UInt32.self)
        // The process may be killed at any store: what is in between is in memory only while the record is free.
        atomicMemoryFence(ordering: .releasing)
        unsafe at.storeBytes(of: client.rawValue, toByteOffset: 4, as: UInt32.self)
        unsafe at.storeBytes(of: expiry.nanoseconds, toByteOffset: 8, as: UInt64.self)
        unsafe at.storeBytes(of: address.upper, toByteOffset: 16, as: UInt64.self)
        unsafe at.storeBytes(of: address.lower, toByteOffset: 24, as: UInt64.self)
        unsafe at.storeBytes(of: address.family.rawValue, toByteOffset: 32, as: UInt8.self)
        unsafe at.storeBytes(of: UInt8(bytes.count), toByteOffset: 33, as: UInt8.self)
        unsafe bytes.withUnsafeBytes { source in
            // Sound: a name has 255 bytes at most, and the record room for 280.
            if let start = source.baseAddress { unsafe (at + 40).copyMemory(from: start, byteCount: source.count) }
        }
        unsafe at.storeBytes(of: checksum(at), toByteOffset: 36, as: UInt32.self)
        atomicMemoryFence(ordering: .releasing)
        unsafe at.storeBytes(of: State.live.rawValue, as: UInt32.self)
        // Last: until it is overwritten a record of an earlier boot may stand here.
        if record >= usedCount { usedCount = record + 1 }
        return true
    }

    /// The expiry is outside the checksum: lengthening it is one store.
    func setExpiry(_ record: Int, _ expiry: Instant) {
        guard record < usedCount else { return }
        unsafe memory.base.storeBytes(
            of: expiry.nanoseconds, toByteOffset: Self.headerBytes + record * Self.recordBytes + 8, as: UInt64.self)
    }

    func setState(_ record: Int, _ state: State) {
        guard record < usedCount else { return }
        unsafe memory.base.storeBytes(of: state.rawValue, toByteOffset: Self.headerBytes + record * Self.recordBytes, as: UInt32.self)
    }

    /// What a record holds; nil if it is free, torn or makes no sense.
    func entry(_ record: Int) -> Entry? {
        let at = unsafe memory.base + (Self.headerBytes + record * Self.recordBytes)
        guard let state = State(rawValue: unsafe at.load(as: UInt32.self)), state != .free,
            unsafe at.load(fromByteOffset: 36, as: UInt32.self) == checksum(at),
            let family = IPFamily(rawValue: unsafe at.load(fromByteOffset: 32, as: UInt8.self))
        else { return nil }
        let upper = unsafe at.load(fromByteOffset: 16, as: UInt64.self)
        let lower = unsafe at.load(fromByteOffset: 24, as: UInt64.self)
        let address = family == .v4 ? IPAddress(v4: UInt32(truncatingIfNeeded: lower)) : IPAddress(v6Upper: upper, lower: lower)
        var bytes: [UInt8] = []
        let length = Int(unsafe at.load(fromByteOffset: 33, as: UInt8.self))
        guard length <= Self.recordBytes - 40 else { return nil }
        for index in 0..<length { bytes.append(unsafe at.load(fromByteOffset: 40 + index, as: UInt8.self)) }
        guard let name = try? DomainName(rootFirst: bytes) else { return nil }
        return Entry(
            client: EndpointID(rawValue: unsafe at.load(fromByteOffset: 4, as: UInt32.self)), address: address, name: name,
            expiry: Instant(nanoseconds: unsafe at.load(fromByteOffset: 8, as: UInt64.self)), state: state)
    }

    /// The name of a record if it still belongs to this client and address; from any thread. A record that is being
    /// rewritten meanwhile fails its checksum and gives nil.
    public func name(ofRecord record: Int, client: EndpointID, address: IPAddress) -> DomainName? {
        guard (0..<usedCount).contains(record), let entry = entry(record), entry.client == client, entry.address == address else {
            return nil
        }
        return entry.name
    }

    private func checksum(_ at: UnsafeMutableRawPointer) -> UInt32 {
        var value: UInt32 = 0x811c_9dc5
        func combine(_ byte: UInt8) { value = (value ^ UInt32(byte)) &* 0x0100_0193 }
        for offset in 4..<8 { combine(unsafe at.load(fromByteOffset: offset, as: UInt8.self)) }
        for offset in 16..<34 { combine(unsafe at.load(fromByteOffset: offset, as: UInt8.self)) }
        let length = min(Int(unsafe at.load(fromByteOffset: 33, as: UInt8.self)), Self.recordBytes - 40)
        for offset in 40..<(40 + length) { combine(unsafe at.load(fromByteOffset: offset, as: UInt8.self)) }
        return value
    }
}
