/// Where the datagrams of a UDP aggregate (GSO) lie in its payload: all have the same size but the last, which may be smaller.
public struct DatagramSplit: Sequence, IteratorProtocol, Sendable {
    private let count: Int
    private let segmentBytes: Int
    private var position = 0

    /// A size of 0 or less means one datagram.
    public init(count: Int, segmentBytes: Int) {
        self.count = count
        self.segmentBytes = segmentBytes > 0 ? segmentBytes : Swift.max(count, 1)
    }

    public mutating func next() -> Range<Int>? {
        guard position < count else { return nil }
        let end = Swift.min(count, position + segmentBytes)
        defer { position = end }
        return position..<end
    }
}
