/// Memory that one index after the other is gathered in.
@safe
final class IndexScratch {
    struct Node: BitwiseCopyable {
        let position: UInt32
        var next: UInt32
    }

    struct Chain: BitwiseCopyable {
        let head: UInt32
        var tail: UInt32
        var count: UInt32
    }

    private(set) var slots: UnsafeMutablePointer<PositionIndex.Slot>
    /// The key that took the slot first.
    private(set) var keys: UnsafeMutablePointer<UInt64>
    /// Room for a smaller table.
    private(set) var moved: UnsafeMutablePointer<PositionIndex.Slot>
    private var capacity = 64
    private var nodes: [Node] = []
    private var chains: [Chain] = []

    init() {
        unsafe slots = .allocate(capacity: capacity)
        unsafe keys = .allocate(capacity: capacity)
        unsafe moved = .allocate(capacity: capacity)
    }

    deinit {
        unsafe slots.deallocate()
        unsafe keys.deallocate()
        unsafe moved.deallocate()
    }

    /// Empties it, for so many slots, and hands out the lists to be filled.
    func prepare(_ count: Int) -> (nodes: [Node], chains: [Chain]) {
        if count > capacity {
            unsafe slots.deallocate()
            unsafe keys.deallocate()
            unsafe moved.deallocate()
            capacity = count
            unsafe slots = .allocate(capacity: count)
            unsafe keys = .allocate(capacity: count)
            unsafe moved = .allocate(capacity: count)
        }
        unsafe slots.initialize(repeating: PositionIndex.Slot(value: 0, tag: 0), count: count)
        defer {
            nodes = []
            chains = []
        }
        return (nodes, chains)
    }

    /// Takes the lists back.
    func put(_ nodes: consuming [Node], _ chains: consuming [Chain]) {
        nodes.removeAll(keepingCapacity: true)
        chains.removeAll(keepingCapacity: true)
        self.nodes = nodes
        self.chains = chains
    }
}
