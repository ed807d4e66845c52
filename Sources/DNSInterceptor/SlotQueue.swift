/// A first-in, first-out queue of slot numbers in a fixed ring.
struct SlotQueue {
    private var ring: [UInt32]
    private var head = 0
    private(set) var count = 0

    init(capacity: Int) { ring = Array(repeating: 0, count: capacity) }

    var isEmpty: Bool { count == 0 }

    /// Traps when full: who uses it has at most as many slots as places.
    mutating func append(_ slot: UInt32) {
        precondition(count < ring.count, "slot queue overflow")
        var place = head + count
        if place >= ring.count { place -= ring.count }
        ring[place] = slot
        count += 1
    }

    mutating func popFirst() -> UInt32? {
        guard count > 0 else { return nil }
        let slot = ring[head]
        head = head + 1 == ring.count ? 0 : head + 1
        count -= 1
        return slot
    }
}
