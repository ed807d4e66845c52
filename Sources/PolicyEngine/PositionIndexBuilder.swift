/// Gathers (key, position) pairs, positions of one key ascending, and freezes them. One at a time for each scratch.
@safe
struct PositionIndexBuilder: ~Copyable {
    private let scratch: IndexScratch
    private var slots: UnsafeMutablePointer<PositionIndex.Slot>
    private let keys: UnsafeMutablePointer<UInt64>
    /// Keys that share a slot with another because of equal tags.
    private var sharers: [(place: Int, key: UInt64)] = []
    private var nodes: [IndexScratch.Node]
    private var chains: [IndexScratch.Chain]
    private var mask: Int
    private let capacity: Int
    private var usedSlots = 0
    /// For at most `capacity` distinct keys.
    init(capacity: Int, _ scratch: IndexScratch = IndexScratch()) {
        var count = 8
        while count < capacity * 2 { count *= 2 }
        (nodes, chains) = scratch.prepare(count)
        self.scratch = scratch
        unsafe slots = scratch.slots
        unsafe keys = scratch.keys
        mask = count - 1
        self.capacity = capacity
    }

    /// A position that is the key's last one already changes nothing.
    mutating func insert(_ key: UInt64, _ position: Int) {
        let position = UInt32(position)
        let tag = PositionIndex.tag(key)
        var place = Int(truncatingIfNeeded: key) & mask
        // Sound: places are masked.
        while unsafe slots[place].tag != 0, unsafe slots[place].tag != tag { place = (place + 1) & mask }
        if unsafe slots[place].tag == 0 {
            precondition(usedSlots < capacity, "an index takes the keys that it was made for")
            usedSlots += 1
            unsafe slots[place] = PositionIndex.Slot(value: position, tag: tag)
            unsafe keys[place] = key
            return
        }
        if unsafe keys[place] != key, !sharers.contains(where: { $0.place == place && $0.key == key }) { sharers.append((place, key)) }
        append(position, at: place)
    }

    private mutating func append(_ position: UInt32, at place: Int) {
        let value = unsafe slots[place].value
        let count = UInt32(nodes.count)
        if value < PositionIndex.listBit {
            if value == position { return }
            nodes.append(IndexScratch.Node(position: value, next: count + 1))
            nodes.append(IndexScratch.Node(position: position, next: .max))
            unsafe slots[place].value = PositionIndex.listBit | UInt32(chains.count)
            chains.append(IndexScratch.Chain(head: count, tail: count + 1, count: 2))
        } else {
            let chain = Int(value & ~PositionIndex.listBit)
            let tail = Int(chains[chain].tail)
            if nodes[tail].position == position { return }
            nodes[tail].next = count
            chains[chain].tail = count
            chains[chain].count += 1
            nodes.append(IndexScratch.Node(position: position, next: .max))
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

    /// Bytes that `freeze(into:)` takes, a multiple of eight.
    var byteCount: Int { (mask + 1) * MemoryLayout<PositionIndex.Slot>.stride + (listCount * 4 + 7) & ~7 }

    /// Makes the table as small as the keys that came allow; nothing is inserted afterwards, and `forEachList` has been called before.
    ///
    /// Where two keys have the same tag, what is found first would count for both: then everything stays in its place.
    mutating func shrink() {
        var count = 8
        while count < usedSlots * 2 { count *= 2 }
        guard count <= mask, sharers.isEmpty else { return }
        let moved = unsafe scratch.moved
        unsafe moved.initialize(repeating: PositionIndex.Slot(value: 0, tag: 0), count: count)
        for place in 0...mask where unsafe slots[place].tag != 0 {
            var target = Int(truncatingIfNeeded: unsafe keys[place]) & (count - 1)
            while unsafe moved[target].tag != 0 {
                if unsafe moved[target].tag == slots[place].tag { return }
                target = (target + 1) & (count - 1)
            }
            unsafe moved[target] = slots[place]
        }
        unsafe slots = moved
        mask = count - 1
    }

    private var listCount: Int { chains.reduce(1) { $0 + Int($1.count) + 1 } }

    /// An index in memory of its own, to be given back with `deallocate`.
    consuming func freeze() -> PositionIndex {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
        return unsafe freeze(into: memory)
    }

    /// An index in memory that somebody else keeps.
    consuming func freeze(into memory: UnsafeMutableRawPointer) -> PositionIndex {
        let slotBytes = (mask + 1) * MemoryLayout<PositionIndex.Slot>.stride
        let lists = unsafe (memory + slotBytes).bindMemory(to: UInt32.self, capacity: listCount)
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
        if !starts.isEmpty {
            for place in 0...mask {
                let slot = unsafe slots[place]
                if slot.tag != 0, slot.value >= PositionIndex.listBit {
                    unsafe slots[place].value = PositionIndex.listBit | starts[Int(slot.value & ~PositionIndex.listBit)]
                }
            }
        }
        let frozen = unsafe memory.bindMemory(to: PositionIndex.Slot.self, capacity: mask + 1)
        unsafe frozen.update(from: slots, count: mask + 1)
        scratch.put(nodes, chains)
        return unsafe PositionIndex(slots: frozen, lists: lists, mask: mask)
    }
}
