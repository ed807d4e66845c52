/// An array in pieces, which copies share until one of them writes: a copy costs the list of pieces, a write one piece.
///
///     pieces: [ 0...63 ][ 64...127 ][ 128...    ]
///
/// Pieces are always full; what lies behind `count` holds `filler`.
struct ChunkedArray<Element: Sendable>: Sendable {
    private(set) var count = 0
    private var chunks: [[Element]] = []
    private let shift: Int
    private let filler: Element

    /// Elements in a piece are two to the power of `shift`.
    init(chunkShift shift: Int, filler: Element) {
        self.shift = shift
        self.filler = filler
    }

    subscript(index: Int) -> Element {
        get { chunks[index &>> shift][index & ((1 &<< shift) &- 1)] }
        _modify { yield &chunks[index &>> shift][index & ((1 &<< shift) &- 1)] }
    }

    /// Returns its index.
    @discardableResult
    mutating func append(_ element: Element) -> Int {
        reserve(count + 1)
        self[count] = element
        count += 1
        return count - 1
    }

    /// Fills up with `filler`; does not shrink.
    mutating func grow(to newCount: Int) {
        reserve(newCount)
        count = max(count, newCount)
    }

    private mutating func reserve(_ newCount: Int) {
        while chunks.count << shift < newCount { chunks.append([Element](repeating: filler, count: 1 << shift)) }
    }
}

extension ChunkedArray where Element: BitwiseCopyable {
    /// The piece with `index`, and where in it: for reading several elements that lie side by side.
    func chunk(with index: Int) -> (chunk: [Element], offset: Int) { (chunks[index &>> shift], index & ((1 &<< shift) &- 1)) }
}
