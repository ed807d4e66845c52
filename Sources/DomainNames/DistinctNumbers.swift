/// Leaves each number of an array's tail once, in place.
enum DistinctNumbers {
    /// A heap sort: it needs no memory, and its time is bounded however the numbers came (n log n), while policy authors choose how many
    /// lists name the same domains.
    static func reduce(_ result: inout [UInt32], from start: Int) {
        let count = result.count - start
        guard count > 1 else { return }
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
