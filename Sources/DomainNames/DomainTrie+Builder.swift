extension DomainTrie {
    /// Takes patterns in any order and freezes them.
    public struct Builder: ~Copyable {
        private struct Entry {
            let node: UInt32
            let number: UInt32
        }

        private var nodes = [Node()]
        private var edges = DomainTrieEdges()
        private var entries: [Entry] = []

        public init() {}

        /// Adds a pattern of the list `number`. Adding it again changes nothing.
        public mutating func insert(_ pattern: DomainPattern, number: UInt32) {
            var node = 0
            for label in pattern.trailing.labels { node = child(of: node, label) }
            switch pattern.wildcard {
            case .none: break
            case .oneLabel:
                if nodes[node].one < 0 { nodes[node].one = Int32(newNode()) }
                node = Int(nodes[node].one)
            case .oneOrMoreLabels:
                if nodes[node].star < 0 { nodes[node].star = Int32(newNode()) }
                node = Int(nodes[node].star)
                if pattern.leadingCount > 0 {
                    nodes[node].leadingCounts |= 1 << UInt128(pattern.leadingCount)
                    node = child(of: node, pattern.leading[...])
                }
            }
            entries.append(Entry(node: UInt32(node), number: number))
        }

        public consuming func freeze() -> DomainTrie {
            var entries = entries
            entries.sort { $0.node != $1.node ? $0.node < $1.node : $0.number < $1.number }
            var nodes = nodes
            var numbers: [UInt32] = []
            numbers.reserveCapacity(entries.count)
            var previous: Entry?
            for entry in entries {
                let node = Int(entry.node)
                if let previous, previous.node == entry.node {
                    if previous.number == entry.number { continue }
                } else {
                    nodes[node].firstNumber = UInt32(numbers.count)
                }
                numbers.append(entry.number)
                nodes[node].numberCount += 1
                previous = entry
            }
            return DomainTrie(nodes: nodes, edges: edges, numbers: numbers)
        }

        private mutating func child(of node: Int, _ label: ArraySlice<UInt8>) -> Int {
            if let known = edges.child(of: node, Array(label), 0, label.count) { return known }
            let child = newNode()
            edges.insert(parent: node, label: label, child: child)
            return child
        }

        private mutating func newNode() -> Int {
            nodes.append(Node())
            return nodes.count - 1
        }
    }
}
