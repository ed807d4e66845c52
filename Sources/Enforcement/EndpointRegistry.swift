import NetworkTypes
import Synchronization

/// Gives every endpoint of the node its number and its generation, and keeps both over restarts in mapped memory.
///
///     header (4096 bytes): magic, layout version, capacity, era, mark mask
///     slot (1024 bytes):   [in use 1][purge due 1][generation 2][identity length 2][has wrapped 1][class 1][fingerprint 8][identity ...]
///
/// Owned by the control plane. A generation changes exactly when the fingerprint of the endpoint's effective policy
/// changes; generation 0 is never given out.
public struct EndpointRegistry: ~Copyable {
    private static let magic: UInt64 = 0x4578_6561_7445_6e64  // "ExeatEnd"
    private static let unfinished: UInt64 = 1
    private static let layoutVersion: UInt32 = 1
    private static let headerBytes = 4096
    private static let slotBytes = 1024
    /// Kubernetes: namespace 63, name 253, UID 36, and two slashes.
    public static let identityBytesMax = slotBytes - 16

    private let memory: SharedMemory
    private let capacity: Int
    /// Generations run from 1 to this (the bits in the ct mark, less the reserved codes).
    private let generationMax: UInt16
    private var numbers: [String: EndpointID] = [:]
    private var nextSlot = 0
    private var nextClass = 0

    public static func byteCount(capacity: Int) -> Int { headerBytes + capacity * slotBytes }

    /// Takes over `memory`. What has another layout or size begins anew, in the era `newEra`.
    public init(_ memory: SharedMemory, capacity: Int, generationMax: UInt16, newEra: UInt64 = .random(in: 1 ... .max)) {
        precondition(memory.byteCount >= Self.byteCount(capacity: capacity), "memory too small for the capacity")
        precondition(generationMax >= 2, "at least two generations")
        self.memory = memory
        self.capacity = capacity
        self.generationMax = generationMax
        let base = unsafe memory.base
        let isKept =
            unsafe base.load(as: UInt64.self) == Self.magic
            && base.load(fromByteOffset: 8, as: UInt32.self) == Self.layoutVersion
            && base.load(fromByteOffset: 16, as: UInt64.self) == UInt64(capacity)
        if isKept {
            for slot in 0..<capacity {
                guard let identity = identity(inSlot: slot) else { continue }
                numbers[identity] = EndpointID(rawValue: UInt32(slot))
            }
        } else {
            // A start that dies in between leaves a header that says so.
            unsafe base.storeBytes(of: Self.unfinished, as: UInt64.self)
            atomicMemoryFence(ordering: .releasing)
            for slot in 0..<capacity where unsafe at(slot).load(as: UInt8.self) != 0 {
                unsafe at(slot).storeBytes(of: 0, as: UInt8.self)
            }
            unsafe base.storeBytes(of: Self.layoutVersion, toByteOffset: 8, as: UInt32.self)
            unsafe base.storeBytes(of: UInt64(capacity), toByteOffset: 16, as: UInt64.self)
            unsafe base.storeBytes(of: newEra, toByteOffset: 24, as: UInt64.self)
            atomicMemoryFence(ordering: .releasing)
            unsafe base.storeBytes(of: Self.magic, as: UInt64.self)
        }
    }

    /// Another one for each time that the numbers began anew. What tells endpoints by their numbers is good in one era alone. 0 in a file of an
    /// earlier version.
    public var era: UInt64 { unsafe memory.base.load(fromByteOffset: 24, as: UInt64.self) }

    /// The bits of marks that bear generations, as noted last; 0: never.
    public var markMask: UInt32 {
        get { unsafe memory.base.load(fromByteOffset: 32, as: UInt32.self) }
        set { unsafe memory.base.storeBytes(of: newValue, toByteOffset: 32, as: UInt32.self) }
    }

    /// The number of an endpoint, the same as before if it was known; nil if the registry is full or the identity too long.
    public mutating func register(_ identity: String) -> EndpointID? {
        if let known = numbers[identity] { return known }
        let bytes = Array(identity.utf8)
        guard bytes.count <= Self.identityBytesMax else { return nil }
        for step in 0..<capacity {
            let slot = (nextSlot + step) % capacity
            let place = unsafe at(slot)
            guard unsafe place.load(as: UInt8.self) == 0 else { continue }
            unsafe place.storeBytes(of: 0, toByteOffset: 1, as: UInt8.self)
            unsafe place.storeBytes(of: 0, toByteOffset: 2, as: UInt16.self)
            unsafe place.storeBytes(of: UInt16(bytes.count), toByteOffset: 4, as: UInt16.self)
            unsafe place.storeBytes(of: 0, toByteOffset: 6, as: UInt16.self)  // has wrapped, class
            unsafe place.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
            for (index, byte) in bytes.enumerated() { unsafe place.storeBytes(of: byte, toByteOffset: 16 + index, as: UInt8.self) }
            atomicMemoryFence(ordering: .releasing)
            unsafe place.storeBytes(of: 1, as: UInt8.self)
            let number = EndpointID(rawValue: UInt32(slot))
            numbers[identity] = number
            // Round robin: a number rests as long as possible before it means another endpoint.
            nextSlot = (slot + 1) % capacity
            return number
        }
        return nil
    }

    /// Endpoints that have a number.
    public var count: Int { numbers.count }

    /// Forgets every endpoint but these.
    public mutating func retain(_ identities: Set<String>) {
        for (identity, number) in numbers where !identities.contains(identity) {
            unsafe at(Int(number.rawValue)).storeBytes(of: 0, as: UInt8.self)
            numbers[identity] = nil
        }
    }

    /// The generation for this fingerprint: the one in use if the policy is the same, else the next. A value that `isBorne`
    /// affirms is passed over: some conntrack entry of the endpoint's addresses still carries it, of an earlier round or of
    /// another endpoint that had the address before. Should all be borne, the next one is taken that `isInForce` denies, and the caller has to
    /// take the flows that bear it back.
    ///
    /// `range`: of at least two generations that this endpoint may have, if not all; one outside of it is replaced. `isDoubtful`: whether flows may bear the
    /// one that was found, because nobody could tell.
    public mutating func generation(
        of id: EndpointID, fingerprint: UInt64, in range: ClosedRange<UInt16>? = nil, isInForce: (UInt16) -> Bool = { _ in false },
        isDoubtful: () -> Bool = { false }, isBorne: (UInt16) -> Bool
    ) -> UInt16 {
        let range = range ?? 1...generationMax
        let place = unsafe at(Int(id.rawValue))
        let current = unsafe place.load(fromByteOffset: 2, as: UInt16.self)
        if range.contains(current), unsafe place.load(fromByteOffset: 8, as: UInt64.self) == fingerprint { return current }
        func after(_ value: UInt16) -> UInt16 { value >= range.upperBound || value < range.lowerBound ? range.lowerBound : value + 1 }
        let following = after(current)
        var next = following
        var isFree = false
        var isTaken = false
        // At most once round; the one in use is never taken again, whatever bears it.
        repeat {
            isFree = next != current && !isBorne(next)
            if !isFree { next = after(next) }
        } while !isFree && next != following
        isTaken = !isFree
        while !isFree {
            isFree = next != current && !isInForce(next)
            if !isFree { next = after(next) }
            if next == following { break }
        }
        let isPurgeDue = isTaken || isDoubtful()
        // Before the generation can be read, and until it is another's: the process may end at any point.
        if isPurgeDue { setPurgeDue(id, true) }
        if next < current { unsafe place.storeBytes(of: 1, toByteOffset: 6, as: UInt8.self) }
        unsafe place.storeBytes(of: next, toByteOffset: 2, as: UInt16.self)
        unsafe place.storeBytes(of: fingerprint, toByteOffset: 8, as: UInt64.self)
        if !isPurgeDue { setPurgeDue(id, false) }
        return next
    }

    /// Whether flows may bear the generation in use that were decided under an earlier one: they are to be purged before it becomes current, if need be by
    /// the next process.
    func isPurgeDue(_ id: EndpointID) -> Bool { unsafe at(Int(id.rawValue)).load(fromByteOffset: 1, as: UInt8.self) != 0 }

    /// The flows of all addresses that were `exhausted` have been purged.
    public mutating func notePurged() {
        for number in numbers.values { setPurgeDue(number, false) }
    }

    private func setPurgeDue(_ id: EndpointID, _ isDue: Bool) {
        unsafe at(Int(id.rawValue)).storeBytes(of: isDue ? 1 : 0, toByteOffset: 1, as: UInt8.self)
    }

    /// The generation in use; 0 of an endpoint that has had none.
    public func generation(of id: EndpointID) -> UInt16 { unsafe at(Int(id.rawValue)).load(fromByteOffset: 2, as: UInt16.self) }

    /// Whether the endpoint's generations have begun again from 1: until then no flow of its own can bear one that is still to come.
    public func hasWrapped(_ id: EndpointID) -> Bool { unsafe at(Int(id.rawValue)).load(fromByteOffset: 6, as: UInt8.self) != 0 }

    /// The number of the class of processes that the endpoint stands for, the same over restarts: its flows' marks are read by it. Nil if all
    /// 14 are taken.
    public mutating func classNumber(of id: EndpointID) -> UInt8? {
        let known = unsafe at(Int(id.rawValue)).load(fromByteOffset: 7, as: UInt8.self)
        if (1...14).contains(known) { return known }
        var taken: Set<UInt8> = []
        for number in numbers.values { taken.insert(unsafe at(Int(number.rawValue)).load(fromByteOffset: 7, as: UInt8.self)) }
        // Round robin: flows of a class that went are not to be taken for those of the next.
        for step in 0..<14 {
            let free = UInt8((nextClass + step) % 14 + 1)
            guard !taken.contains(free) else { continue }
            nextClass = Int(free)
            unsafe at(Int(id.rawValue)).storeBytes(of: free, toByteOffset: 7, as: UInt8.self)
            return free
        }
        return nil
    }

    /// The endpoint stands for no processes any more.
    public mutating func clearClass(of id: EndpointID) { unsafe at(Int(id.rawValue)).storeBytes(of: 0, toByteOffset: 7, as: UInt8.self) }

    public func isRegistered(_ identity: String) -> Bool { numbers[identity] != nil }

    private func identity(inSlot slot: Int) -> String? {
        let place = unsafe at(slot)
        guard unsafe place.load(as: UInt8.self) == 1 else { return nil }
        let length = Int(unsafe place.load(fromByteOffset: 4, as: UInt16.self))
        guard length <= Self.identityBytesMax else { return nil }
        return String(decoding: (0..<length).map { unsafe place.load(fromByteOffset: 16 + $0, as: UInt8.self) }, as: UTF8.self)
    }

    private func at(_ slot: Int) -> UnsafeMutableRawPointer {
        unsafe memory.base + (Self.headerBytes + slot * Self.slotBytes)
    }
}
