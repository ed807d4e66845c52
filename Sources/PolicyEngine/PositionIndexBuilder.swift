/// Gathers (key, position) pairs, positions of one key ascending, and freezes them.
@safe
struct PositionIndexBuilder: ~Copyable {
    private struct Node {
        let position: UInt32
        var next: UInt32
    }

    private struct Chain {
        let head: UInt32
        var tail: UInt32
        var count: UInt32
    }

    private var slots: UnsafeMutablePointer<PositionIndex.Slot>
    /// The key that took the slot first.
    private var keys: UnsafeMutablePointer<UInt64>
    /// Keys that share a slot with another because of equal tags.
    private var sharers: [(place: Int, key: UInt64)] = []
    private let mask: Int
    private let capacity: Int
    private var usedSlots = 0
    private var nodes: [Node] = []
    private var chains: [Chain] = []
    private var isFrozen = false

    /// For at most `capacity` distinct keys.
    init(capacity: Int) {
        var count = 8
        while count < capacity * 2 { count *= 2 }
        unsafe slots = .allocate(capacity: count)
        unsafe slots.initialize(repeating: PositionIndex.Slot(value: 0, tag: 0), count: count)
        unsafe keys = .allocate(capacity: count)
        mask = count - 1
        self.capacity = capacity
    }

    deinit {
        unsafe keys.deallocate()
        if !isFrozen { unsafe slots.deallocate() }
    }

    /// A position that is the key's last one already changes nothing.
    mutating func insert(_ key: UInt64, _ position: Int) {
        let position = UInt32(position)
        let tag = PositionIndex.tag(key)
        var place = Int(truncatingIfNeeded: key) & mask
        while unsafe slots[place].tag != 0, unsafe slots[place].tag != tag { place = (place + 1) & mask }
        if unsafe slots[place].tag == 0 {
            precondition(usedSlots < capacity, "an index takes the keys that it was made for")
            usedSlots += 1
            unsafe slots[place] = PositionIndex.Slot(value: position, tag: tag)
            unsafe keys[place] = key
            return
        }
        if unsafe keys[place] != key, !sharers.contains(where: { $0.place == place && $0.key == key }) { sharers.append((place, key)) }
        let value = unsafe slots[place].value
        if value < PositionIndex.listBit {
            if value == position { return }
            nodes.append(Node(position: value, next: UInt32(nodes.count + 1)))
            nodes.append(Node(position: position, next: .max))
            unsafe slots[place].value = PositionIndex.listBit | UInt32(chains.count)
            chains.append(Chain(head: UInt32(nodes.count - 2), tail: UInt32(nodes.count - 1), count: 2))
        } else {
            let chain = Int(value & ~PositionIndex.listBit)
            let tail = Int(chains[chain].tail)
            if nodes[tail].position == position { return }
            nodes[tail].next = UInt32(nodes.count)
            chains[chain].tail = UInt32(nodes.count)
            chains[chain].count += 1
            nodes.append(Node(position: position, next: .max))
        }
    }

    /// Calls `body` with every key under which more than `count` positions stand, and the positions.
    func forEachList(longerThan count: Int, _ body: (UInt64, [Int]) -> Void) {
        guard chains.contains(where: { Int($0.count) > count }) else { return }
        for place in 0...mask {
            let slot = unsafe slots[place]
            guard slot.tag != 0, slot.value >= PositionIndex.listBit else { continue }
            let chain = chains[Int(slot.value & ~PositionIndex.listBit)]
            guard Int(chain.count) > count else { continue }
            var positions: [Int] = []
            positions.reserveCapacity(Int(chain.count))
            var node = chain.head
            while node != .max {
                positions.append(Int(nodes[Int(node)].position))
                node = nodes[Int(node)].next
            }
            body(unsafe keys[place], positions)
            for sharer in sharers where sharer.place == place { body(sharer.key, positions) }
        }
    }

    consuming func freeze() -> PositionIndex {
        let total = chains.reduce(1) { $0 + Int($1.count) + 1 }
        let lists = UnsafeMutablePointer<UInt32>.allocate(capacity: total)
        var end = 0
        var starts: [UInt32] = []
        starts.reserveCapacity(chains.count)
        for chain in chains {
            starts.append(UInt32(end))
            unsafe lists[end] = chain.count
            end += 1
            var node = chain.head
            while node != .max {
                unsafe lists[end] = nodes[Int(node)].position
                end += 1
                node = nodes[Int(node)].next
            }
        }
        if !chains.isEmpty {
            for place in 0...mask {
                let slot = unsafe slots[place]
                if slot.tag != 0, slot.value >= PositionIndex.listBit {
                    unsafe slots[place].value = PositionIndex.listBit | starts[Int(slot.value & ~PositionIndex.listBit)]
                }
            }
        }
        isFrozen = true
        return unsafe PositionIndex(slots: slots, lists: lists, mask: mask)
    }
}
