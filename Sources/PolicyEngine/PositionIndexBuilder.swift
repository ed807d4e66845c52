/// Memory that one index after the other is gathered in.
@safe
struct IndexScratch: ~Copyable {
    fileprivate(set) var slots: UnsafeMutablePointer<PositionIndex.Slot>
    /// The key that took the slot first.
    fileprivate(set) var keys: UnsafeMutablePointer<UInt64>
    fileprivate(set) var capacity: Int
    fileprivate var nodes: [PositionIndexBuilder.Node] = []
    fileprivate var chains: [PositionIndexBuilder.Chain] = []

    init() {
        capacity = 64
        unsafe slots = .allocate(capacity: capacity)
        unsafe keys = .allocate(capacity: capacity)
    }

    deinit {
        unsafe slots.deallocate()
        unsafe keys.deallocate()
    }

    fileprivate mutating func prepare(_ count: Int) {
        if count > capacity {
            unsafe slots.deallocate()
            unsafe keys.deallocate()
            capacity = count
            unsafe slots = .allocate(capacity: count)
            unsafe keys = .allocate(capacity: count)
        }
        unsafe slots.initialize(repeating: PositionIndex.Slot(value: 0, tag: 0), count: count)
        nodes.removeAll(keepingCapacity: true)
        chains.removeAll(keepingCapacity: true)
    }
}

/// Gathers (key, position) pairs, positions of one key ascending, and freezes them.
@safe
struct PositionIndexBuilder: ~Copyable {
    fileprivate struct Node {
        let position: UInt32
        var next: UInt32
    }

    fileprivate struct Chain {
        let head: UInt32
        var tail: UInt32
        var count: UInt32
    }

    private var slots: UnsafeMutablePointer<PositionIndex.Slot>
    private var keys: UnsafeMutablePointer<UInt64>
    /// Keys that share a slot with another because of equal tags.
    private var sharers: [(place: Int, key: UInt64)] = []
    private let mask: Int
    private let capacity: Int
    private var usedSlots = 0
    private var nodes: [Node]
    private var chains: [Chain]
    private var scratch: IndexScratch

    /// For at most `capacity` distinct keys.
    init(capacity: Int, _ scratch: consuming IndexScratch = IndexScratch()) {
        var count = 8
        while count < capacity * 2 { count *= 2 }
        scratch.prepare(count)
        unsafe slots = scratch.slots
        unsafe keys = scratch.keys
        nodes = scratch.nodes
        chains = scratch.chains
        scratch.nodes = []
        scratch.chains = []
        self.scratch = scratch
        mask = count - 1
        self.capacity = capacity
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

    /// Bytes that `freeze(into:)` takes, a multiple of eight.
    var byteCount: Int { (mask + 1) * MemoryLayout<PositionIndex.Slot>.stride + (listCount * 4 + 7) & ~7 }

    private var listCount: Int { chains.reduce(1) { $0 + Int($1.count) + 1 } }

    /// An index in memory of its own, to be given back with `deallocate`.
    consuming func freeze() -> PositionIndex {
        unsafe freeze(into: UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16))
    }

    /// An index in memory that somebody else keeps.
    consuming func freeze(into memory: UnsafeMutableRawPointer) -> PositionIndex {
        var unused: IndexScratch? = nil
        return unsafe freeze(into: memory, givingBack: &unused)
    }

    /// As above, and gives back the memory that it was gathered in.
    consuming func freeze(into memory: UnsafeMutableRawPointer, givingBack given: inout IndexScratch?) -> PositionIndex {
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
        if !chains.isEmpty {
            for place in 0...mask {
                let slot = unsafe slots[place]
                if slot.tag != 0, slot.value >= PositionIndex.listBit {
                    unsafe slots[place].value = PositionIndex.listBit | starts[Int(slot.value & ~PositionIndex.listBit)]
                }
            }
        }
        let frozen = unsafe memory.bindMemory(to: PositionIndex.Slot.self, capacity: mask + 1)
        unsafe frozen.update(from: slots, count: mask + 1)
        let index = unsafe PositionIndex(slots: frozen, lists: lists, mask: mask)
        scratch.nodes = nodes
        scratch.chains = chains
        given = consume scratch
        return index
    }
}
