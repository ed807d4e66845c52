/// The edges of a trie: open addressing over (parent, label bytes), at a load of at most one half.
struct DomainTrieEdges: Sendable {
    private var slots = [UInt32](repeating: 0, count: 16)
    private var edges: [DomainTrie.Edge] = []
    private var bytes: [UInt8] = []

    /// The patterns are the administrator's, so an unkeyed hash is enough: who asks for names cannot lengthen a chain.
    private static func hash(_ parent: Int, _ label: [UInt8], _ start: Int, _ count: Int) -> Int {
        var value = UInt64(truncatingIfNeeded: parent) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(count)
        var position = start
        let end = start + count
        while position < end {
            value = (value ^ UInt64(label[position])) &* 0x0000_0100_0000_01b3
            position += 1
        }
        value ^= value >> 32
        value &*= 0xd6e8_feb8_6659_fd93
        value ^= value >> 29
        return Int(truncatingIfNeeded: value)
    }

    func child(of parent: Int, _ label: [UInt8], _ start: Int, _ count: Int) -> Int? {
        let mask = slots.count - 1
        var slot = Self.hash(parent, label, start, count) & mask
        while slots[slot] != 0 {
            let edge = edges[Int(slots[slot]) - 1]
            if edge.parent == UInt32(parent), edge.labelCount == UInt32(count), isEqual(edge, label, start) { return Int(edge.child) }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func isEqual(_ edge: DomainTrie.Edge, _ label: [UInt8], _ start: Int) -> Bool {
        let from = Int(edge.labelStart)
        for offset in 0..<Int(edge.labelCount) where bytes[from + offset] != label[start + offset] { return false }
        return true
    }

    /// The edge must not be there yet.
    mutating func insert(parent: Int, label: ArraySlice<UInt8>, child: Int) {
        edges.append(
            DomainTrie.Edge(
                parent: UInt32(parent), labelStart: UInt32(bytes.count), labelCount: UInt32(label.count), child: UInt32(child)))
        bytes += label
        if edges.count * 2 > slots.count { grow() } else { place(edges.count - 1) }
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        for index in edges.indices { place(index) }
    }

    private mutating func place(_ index: Int) {
        let edge = edges[index]
        let mask = slots.count - 1
        var slot = Self.hash(Int(edge.parent), bytes, Int(edge.labelStart), Int(edge.labelCount)) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = UInt32(index + 1)
    }
}
