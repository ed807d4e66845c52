import NetworkTypes
import PolicyEngine
import Synchronization

/// What the verdict threads look up: whether an endpoint holds an address under a selector number, and until when.
///
/// One writer (the NameTable's owner), any number of readers, no locks. The key is the triple (endpoint, address, selector
/// number); open addressing with linear probing inside a window of `probeWindow` slots. A slot is one cache line of
/// eight words, guarded by a sequence that is odd while the writer changes it:
///
///      0         8                     16      24      32              40       48               56
///     [sequence][endpoint | selector ][upper ][lower ][record | family][expiry ][first admission][unused]
///
/// The writer publishes with a releasing store of the sequence, readers acquire it: after `publish` has returned, every
/// reader that begins a lookup sees the binding (invariant 1). The hash is keyed, so that a client that chooses its
/// addresses cannot choose their places.
@safe
public final class AddressTable: @unchecked Sendable {
    /// How a lookup may be satisfied.
    @frozen
    public enum Liveness: Sendable, BitwiseCopyable {
        /// Only by a binding that has not expired: new flows.
        case live
        /// Also by an expired binding under which a flow was admitted while it lived (*draining*): flows that were admitted once.
        case liveOrDraining
    }

    static let slotBytes = 64
    static let probeWindow = 96

    private static let neverUsed: UInt64 = 0
    private static let removed: UInt64 = .max

    private let memory: SharedMemory
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let mask: Int
    private let seed: (UInt64, UInt64)
    private var usedSlots = 0

    /// Bytes for a table of at least `slots` slots, which are rounded up to a power of two. Take four times the bindings that it is
    /// to hold.
    public static func byteCount(slots: Int) -> Int {
        var count = 1024
        while count < slots { count *= 2 }
        return count * slotBytes
    }

    /// A table in zeroed memory of `byteCount(slots:)` bytes. Pages that no binding falls into need not exist.
    public init(_ memory: SharedMemory, seed: (UInt64, UInt64)) {
        let count = memory.byteCount / Self.slotBytes
        precondition(count.nonzeroBitCount == 1, "the bytes of a table are a power of two")
        self.memory = memory
        // Sound: the memory is zeroed, large enough and aligned, and Atomic<UInt64> has the layout of UInt64.
        unsafe words = memory.base.assumingMemoryBound(to: Atomic<UInt64>.self)
        mask = count - 1
        self.seed = seed
    }

    /// A table in plain memory.
    public convenience init(slots: Int, seed: (UInt64, UInt64)) {
        self.init(SharedMemory(byteCount: Self.byteCount(slots: slots)), seed: seed)
    }

    // MARK: Reading, from any thread

    /// Whether the endpoint holds the address under the selector at `now`. Allocates nothing; at most `probeWindow` slots.
    public func isBound(
        _ endpoint: EndpointID, to address: IPAddress, selector: SelectorNumber, now: Instant, liveness: Liveness
    ) -> Bool {
        guard let found = read(endpoint, address, selector) else { return false }
        if now.nanoseconds <= found.expiry { return true }
        return liveness == .liveOrDraining && isDraining(endpoint, address, expiry: found.expiry)
    }

    /// The record of the store under which the binding was published last; nil if there is none.
    public func record(_ endpoint: EndpointID, _ address: IPAddress, _ selector: SelectorNumber) -> Int? {
        read(endpoint, address, selector).map { Int($0.meta >> 32) }
    }

    /// Notes that a flow was admitted by a name of this endpoint and address: what is bound from now on will drain instead of
    /// vanishing. The first admission counts, so that the order of later ones is of no matter.
    public func noteAdmission(_ endpoint: EndpointID, _ address: IPAddress, now: Instant) {
        guard let slot = find(endpoint, address, anyNameSelector) else { return }
        guard unsafe words[slot * 8 + 6].load(ordering: .relaxed) == 0 else { return }
        _ = unsafe words[slot * 8 + 6].compareExchange(expected: 0, desired: max(now.nanoseconds, 1), ordering: .relaxed)
    }

    /// Whether a binding of this expiry is kept for flows that were admitted while it lived.
    func isDraining(_ endpoint: EndpointID, _ address: IPAddress, expiry: UInt64) -> Bool {
        guard let slot = find(endpoint, address, anyNameSelector) else { return false }
        let first = unsafe words[slot * 8 + 6].load(ordering: .relaxed)
        return first != 0 && first <= expiry
    }

    private func read(_ endpoint: EndpointID, _ address: IPAddress, _ selector: SelectorNumber) -> (expiry: UInt64, meta: UInt64)? {
        let key = Self.key(endpoint, selector)
        var slot = hash(key, address) & mask
        for _ in 0..<Self.probeWindow {
            let word = slot * 8
            while true {
                let before = unsafe words[word].load(ordering: .acquiring)
                let slotKey = unsafe words[word + 1].load(ordering: .relaxed)
                let upper = unsafe words[word + 2].load(ordering: .relaxed)
                let lower = unsafe words[word + 3].load(ordering: .relaxed)
                let meta = unsafe words[word + 4].load(ordering: .relaxed)
                let expiry = unsafe words[word + 5].load(ordering: .relaxed)
                atomicMemoryFence(ordering: .acquiring)
                guard before & 1 == 0, unsafe words[word].load(ordering: .relaxed) == before else { continue }
                if slotKey == Self.neverUsed { return nil }
                if slotKey == key, upper == address.upper, lower == address.lower,
                    UInt8(truncatingIfNeeded: meta) == address.family.rawValue
                {
                    return (expiry, meta)
                }
                break
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    // MARK: Writing, by the one owner

    /// Makes a binding visible, or lengthens it; an earlier expiry never shortens a later one. False if the window is full.
    func publish(_ endpoint: EndpointID, _ address: IPAddress, _ selector: SelectorNumber, expiry: Instant, record: Int) -> Bool {
        let key = Self.key(endpoint, selector)
        let home = hash(key, address) & mask
        var slot = home
        var free: Int?
        for _ in 0..<Self.probeWindow {
            let word = slot * 8
            let slotKey = unsafe words[word + 1].load(ordering: .relaxed)
            if slotKey == Self.neverUsed {
                if free == nil { free = slot }
                break
            }
            if slotKey == Self.removed {
                if free == nil { free = slot }
            } else if matches(slot, key, address) {
                let old = unsafe words[word + 5].load(ordering: .relaxed)
                write(slot, key, address, expiry: max(old, expiry.nanoseconds), record: record)
                return true
            }
            slot = (slot + 1) & mask
        }
        guard let free else { return false }
        unsafe words[free * 8 + 6].store(0, ordering: .relaxed)
        write(free, key, address, expiry: expiry.nanoseconds, record: record)
        usedSlots += 1
        return true
    }

    func withdraw(_ endpoint: EndpointID, _ address: IPAddress, _ selector: SelectorNumber) {
        guard let slot = find(endpoint, address, selector) else { return }
        let next = unsafe words[((slot + 1) & mask) * 8 + 1].load(ordering: .relaxed)
        setKey(slot, next == Self.neverUsed ? Self.neverUsed : Self.removed)
        usedSlots -= 1
        guard next == Self.neverUsed else { return }
        // A run of removed slots before a never used one ends no probe early: give it back.
        var earlier = (slot - 1) & mask
        while unsafe words[earlier * 8 + 1].load(ordering: .relaxed) == Self.removed {
            setKey(earlier, Self.neverUsed)
            earlier = (earlier - 1) & mask
        }
    }

    func expiry(_ endpoint: EndpointID, _ address: IPAddress, _ selector: SelectorNumber) -> Instant? {
        read(endpoint, address, selector).map { Instant(nanoseconds: $0.expiry) }
    }

    /// Slots in use.
    public var count: Int { usedSlots }

    private func find(_ endpoint: EndpointID, _ address: IPAddress, _ selector: SelectorNumber) -> Int? {
        let key = Self.key(endpoint, selector)
        var slot = hash(key, address) & mask
        for _ in 0..<Self.probeWindow {
            let slotKey = unsafe words[slot * 8 + 1].load(ordering: .relaxed)
            if slotKey == Self.neverUsed { return nil }
            if slotKey != Self.removed, matches(slot, key, address) { return slot }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func matches(_ slot: Int, _ key: UInt64, _ address: IPAddress) -> Bool {
        let word = slot * 8
        let slotKey = unsafe words[word + 1].load(ordering: .relaxed)
        let upper = unsafe words[word + 2].load(ordering: .relaxed)
        let lower = unsafe words[word + 3].load(ordering: .relaxed)
        let meta = unsafe words[word + 4].load(ordering: .relaxed)
        return slotKey == key && upper == address.upper && lower == address.lower
            && UInt8(truncatingIfNeeded: meta) == address.family.rawValue
    }

    private func write(_ slot: Int, _ key: UInt64, _ address: IPAddress, expiry: UInt64, record: Int) {
        let word = slot * 8
        let sequence = beginWrite(slot)
        unsafe words[word + 1].store(key, ordering: .relaxed)
        unsafe words[word + 2].store(address.upper, ordering: .relaxed)
        unsafe words[word + 3].store(address.lower, ordering: .relaxed)
        let meta = UInt64(UInt32(record)) << 32 | UInt64(address.family.rawValue)
        unsafe words[word + 4].store(meta, ordering: .relaxed)
        unsafe words[word + 5].store(expiry, ordering: .relaxed)
        unsafe words[word].store(sequence + 2, ordering: .releasing)
    }

    private func setKey(_ slot: Int, _ key: UInt64) {
        let sequence = beginWrite(slot)
        unsafe words[slot * 8 + 1].store(key, ordering: .relaxed)
        unsafe words[slot * 8].store(sequence + 2, ordering: .releasing)
    }

    /// Makes the sequence odd before any other word of the slot changes.
    private func beginWrite(_ slot: Int) -> UInt64 {
        let sequence = unsafe words[slot * 8].load(ordering: .relaxed)
        unsafe words[slot * 8].store(sequence + 1, ordering: .relaxed)
        atomicMemoryFence(ordering: .releasing)
        return sequence
    }

    /// Endpoint numbers are below 2^31 (see EndpointRegistry), so that no key is `removed`, and one above zero in the key,
    /// so that none is `neverUsed`.
    private static func key(_ endpoint: EndpointID, _ selector: SelectorNumber) -> UInt64 {
        UInt64(endpoint.rawValue &+ 1) << 32 | UInt64(selector)
    }

    private func hash(_ key: UInt64, _ address: IPAddress) -> Int {
        var value = (key ^ seed.0) &* 0x9e37_79b9_7f4a_7c15
        value ^= value >> 29
        value = (value ^ address.lower ^ seed.1) &* 0xbf58_476d_1ce4_e5b9
        value ^= value >> 32
        value = (value ^ address.upper) &* 0x94d0_49bb_1331_11eb
        value ^= value >> 31
        return Int(truncatingIfNeeded: value)
    }
}
