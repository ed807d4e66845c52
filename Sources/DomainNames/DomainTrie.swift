/// All patterns of a node's policy, frozen for lookups: name in, numbers of the lists that name it out.
///
///     root -> org -> example -> www          (exact: numbers at the node)
///                       |
///                       * -> numbers of *.example.org
///                       |
///                       *.update -> numbers of update.*.example.org
///
/// A walk from the root takes one hashed edge per label, and at every node on the way looks whether a wildcard begins there. The
/// cost follows the labels of the name, not the number of patterns. Labels lie in one array of bytes; nodes and edges are plain numbers.
public struct DomainTrie: Sendable {
    struct Node: BitwiseCopyable {
        /// Numbers of patterns that end here: a slice of `numbers`.
        var firstNumber: UInt32 = 0
        var numberCount: UInt32 = 0
        /// The node behind "one or more labels", or -1.
        var star: Int32 = -1
        /// The node behind "exactly one label", or -1.
        var one: Int32 = -1
        /// Of a node behind a star: which counts of leading labels some pattern has (bit 1 for one label and so on).
        var leadingCounts: UInt128 = 0
    }

    struct Edge: BitwiseCopyable {
        let parent: UInt32
        /// Of a label, or of several leading labels with their lengths.
        let labelStart: UInt32
        let labelCount: UInt32
        let child: UInt32
    }

    private let nodes: [Node]
    private let edges: DomainTrieEdges
    private let numbers: [UInt32]

    init(nodes: [Node], edges: DomainTrieEdges, numbers: [UInt32]) {
        self.nodes = nodes
        self.edges = edges
        self.numbers = numbers
    }

    /// Appends the number of every list with a pattern that matches, each once. Allocates nothing but growth of the array.
    ///
    /// Numbers that several matching patterns share are taken out at the end, so the array may need room for repeats.
    public func appendNumbers(matching name: DomainName, to result: inout [UInt32]) {
        let start = result.count
        // A node's numbers are distinct; only those of several nodes may meet.
        if appendAll(matching: name, to: &result) > 1 { Self.makeDistinct(&result, start) }
    }

    /// Appends the numbers of every node that matches, and counts the nodes that had some.
    private func appendAll(matching name: DomainName, to result: inout [UInt32]) -> Int {
        let bytes = name.rootFirst
        // Where each label begins; a name has at most 127 labels.
        var offsets = InlineArray<129, UInt16>(repeating: 0)
        var count = 0
        var position = 0
        while position < bytes.count {
            offsets[count] = UInt16(position)
            count += 1
            position += 1 + Int(bytes[position])
        }
        offsets[count] = UInt16(bytes.count)
        var node = 0
        var depth = 0
        var matchCount = 0
        while true {
            if depth < count {
                let star = Int(nodes[node].star)
                if star >= 0 {
                    matchCount += append(star, to: &result)
                    var counts = nodes[star].leadingCounts
                    while counts != 0 {
                        let leading = counts.trailingZeroBitCount
                        counts &= counts - 1
                        guard depth + 1 + leading <= count else { break }
                        let from = Int(offsets[count - leading])
                        if let child = edges.child(of: star, bytes, from, bytes.count - from) { matchCount += append(child, to: &result) }
                    }
                }
                let one = Int(nodes[node].one)
                if one >= 0, depth == count - 1 { matchCount += append(one, to: &result) }
            }
            if depth == count {
                return matchCount + append(node, to: &result)
            }
            let from = Int(offsets[depth]) + 1
            guard let child = edges.child(of: node, bytes, from, Int(offsets[depth + 1]) - from) else { return matchCount }
            node = child
            depth += 1
        }
    }

    /// 1 if the node has numbers, else 0.
    private func append(_ node: Int, to result: inout [UInt32]) -> Int {
        let first = Int(nodes[node].firstNumber)
        let end = first + Int(nodes[node].numberCount)
        for index in first..<end { result.append(numbers[index]) }
        return end > first ? 1 : 0
    }

    /// Leaves each number of `result[start...]` once. A heap sort: it needs no memory, and its time is bounded however the
    /// numbers came (n log n), while policy authors choose how many lists name the same domains.
    private static func makeDistinct(_ result: inout [UInt32], _ start: Int) {
        let count = result.count - start
        for root in stride(from: count / 2 - 1, through: 0, by: -1) { siftDown(&result, start, root, count) }
        for end in stride(from: count - 1, to: 0, by: -1) {
            result.swapAt(start, start + end)
            siftDown(&result, start, 0, end)
        }
        var kept = start
        for index in (start + 1)..<result.count where result[index] != result[kept] {
            kept += 1
            result[kept] = result[index]
        }
        result.removeLast(result.count - kept - 1)
    }

    private static func siftDown(_ result: inout [UInt32], _ start: Int, _ root: Int, _ count: Int) {
        let value = result[start + root]
        var hole = root
        while 2 * hole + 1 < count {
            var child = 2 * hole + 1
            if child + 1 < count, result[start + child + 1] > result[start + child] { child += 1 }
            guard result[start + child] > value else { break }
            result[start + hole] = result[start + child]
            hole = child
        }
        result[start + hole] = value
    }
}
