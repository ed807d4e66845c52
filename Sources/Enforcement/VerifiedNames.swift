import NetworkTypes
import PolicyEngine
import Synchronization

/// Which good name each flow gave in its hello: a hello is sent once, and a change of policy asks for it again.
///
///     header (64 bytes): magic, layout version, capacity, boot mark, seed 2 x 8
///     slot (32 bytes):   [key ^ upper][key' ^ lower][upper, 0: free][lower], four to a bucket: the place of the name in the NameIndex
///
/// The key is a keyed hash of the flow, 128 bits long. A slot that is half written fits no key, so that any thread may write and read without
/// locks. It lies in mapped memory and outlives the process. Where a bucket is full, the newest flow takes the place of another, which is counted: that
/// other's name counts as unseen when it is decided again.
@safe
public final class VerifiedNames: @unchecked Sendable {
    private static let magic: UInt64 = 0x4578_6561_7448_656c  // "ExeatHel"
    private static let layoutVersion: UInt64 = 1
    private static let headerBytes = 64
    private static let slotWords = 4
    private static let bucketSlots = 4

    private let memory: SharedMemory
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let mask: Int
    /// Kept as long as what is kept here: the NameIndex has to have the same.
    public let seed: (UInt64, UInt64)
    private let evictions = Atomic<UInt64>(0)

    private static func slots(flows: Int) -> Int {
        var count = 1_024
        while count < flows * 2 { count *= 2 }
        return count
    }

    /// Bytes for at least this many flows.
    public static func byteCount(flows: Int) -> Int { headerBytes + slots(flows: flows) * slotWords * 8 }

    /// Takes over the memory, of `byteCount(flows:)` bytes. What another boot, layout or size has left there is cleared.
    public init(_ memory: SharedMemory, flows: Int, bootMark: UInt64, seed newSeed: (UInt64, UInt64)) {
        let slots = Self.slots(flows: flows)
        precondition(memory.byteCount >= Self.byteCount(flows: flows), "memory too small for the flows")
        self.memory = memory
        mask = slots - 1
        // Sound: the memory is large enough and aligned, and Atomic<UInt64> has the layout of UInt64.
        let header = unsafe memory.base.assumingMemoryBound(to: Atomic<UInt64>.self)
        unsafe words = header + Self.headerBytes / 8
        let wanted = [Self.magic, Self.layoutVersion, UInt64(slots), bootMark]
        let isKept = wanted.indices.allSatisfy { unsafe header[$0].load(ordering: .relaxed) == wanted[$0] }
        if isKept {
            seed = unsafe (header[4].load(ordering: .relaxed), header[5].load(ordering: .relaxed))
            return
        }
        seed = newSeed
        let isNew = unsafe header[0].load(ordering: .relaxed) == 0
        unsafe header[0].store(1, ordering: .relaxed)
        if !isNew { for word in 0..<slots * Self.slotWords { unsafe words[word].store(0, ordering: .relaxed) } }
        for index in 1..<wanted.count { unsafe header[index].store(wanted[index], ordering: .relaxed) }
        unsafe header[4].store(newSeed.0, ordering: .relaxed)
        unsafe header[5].store(newSeed.1, ordering: .relaxed)
        unsafe header[0].store(Self.magic, ordering: .releasing)
    }

    /// Flows that lost their place to others.
    public var evictionCount: UInt64 { evictions.load(ordering: .relaxed) }

    /// Notes that the flow gave the name that stands at this place of the NameIndex.
    public func note(_ flow: FlowKey, place: IPAddress) {
        let key = self.key(flow)
        let bucket = Int(truncatingIfNeeded: key.0) & mask & ~(Self.bucketSlots - 1)
        var target = bucket + Int(truncatingIfNeeded: key.1 & UInt64(Self.bucketSlots - 1))
        var hasRoom = false
        for slot in bucket..<bucket + Self.bucketSlots {
            let isOwn = self.place(slot, key) != nil
            guard isOwn || isFree(slot) else { continue }
            target = slot
            hasRoom = true
            if isOwn { break }
        }
        if !hasRoom { evictions.add(1, ordering: .relaxed) }
        let word = target * Self.slotWords
        unsafe words[word].store(key.0 ^ place.upper, ordering: .relaxed)
        unsafe words[word + 1].store(key.1 ^ place.lower, ordering: .relaxed)
        unsafe words[word + 3].store(place.lower, ordering: .relaxed)
        unsafe words[word + 2].store(place.upper, ordering: .releasing)
    }

    /// Where the name stands that the flow gave.
    public func place(of flow: FlowKey) -> IPAddress? {
        let key = self.key(flow)
        let bucket = Int(truncatingIfNeeded: key.0) & mask & ~(Self.bucketSlots - 1)
        for slot in bucket..<bucket + Self.bucketSlots {
            if let place = self.place(slot, key) { return place }
        }
        return nil
    }

    /// Forgets a flow that is over.
    public func remove(_ flow: FlowKey) {
        let key = self.key(flow)
        let bucket = Int(truncatingIfNeeded: key.0) & mask & ~(Self.bucketSlots - 1)
        for slot in bucket..<bucket + Self.bucketSlots where self.place(slot, key) != nil {
            unsafe words[slot * Self.slotWords + 2].store(0, ordering: .relaxed)
        }
    }

    private func isFree(_ slot: Int) -> Bool { unsafe words[slot * Self.slotWords + 2].load(ordering: .relaxed) == 0 }

    private func place(_ slot: Int, _ key: (UInt64, UInt64)) -> IPAddress? {
        let word = slot * Self.slotWords
        let upper = unsafe words[word + 2].load(ordering: .acquiring)
        let lower = unsafe words[word + 3].load(ordering: .relaxed)
        let first = unsafe words[word].load(ordering: .relaxed)
        let second = unsafe words[word + 1].load(ordering: .relaxed)
        guard upper != 0, first ^ upper == key.0, second ^ lower == key.1 else { return nil }
        return IPAddress(v6Upper: upper, lower: lower)
    }

    func key(_ flow: FlowKey) -> (UInt64, UInt64) {
        var (one, two) = seed
        func combine(_ word: UInt64) {
            one = (one ^ word) &* 0x9e37_79b9_7f4a_7c15
            one ^= one >> 32
            two = (two &+ word) &* 0xbf58_476d_1ce4_e5b9
            two ^= two >> 29
        }
        combine(flow.source.upper)
        combine(flow.source.lower)
        combine(flow.destination.upper)
        combine(flow.destination.lower)
        let protocols = UInt64(flow.transport.rawValue) << 40 | UInt64(flow.source.family.rawValue) << 32
        combine(protocols | UInt64(flow.sourcePort) << 16 | UInt64(flow.destinationPort))
        return (one, two)
    }
}
