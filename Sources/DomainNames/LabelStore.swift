/// The bytes of the labels on edges. A label lies in one piece, at a multiple of eight; what is freed serves labels of as many eights.
struct LabelStore: Sendable {
    private static let chunkShift = 12
    private static let chunkBytes = 1 << chunkShift

    private var bytes = ChunkedArray<UInt8>(chunkShift: chunkShift, filler: 0)
    /// By eights: the first free place plus one, or 0. A free place holds the next one in its first four bytes.
    private var free = InlineArray<9, UInt32>(repeating: 0)

    /// At most 64 bytes. Returns where they lie.
    mutating func insert(_ label: ArraySlice<UInt8>) -> UInt32 {
        let eights = (label.count + 7) / 8
        guard eights > 0 else { return 0 }
        let start: Int
        if free[eights] != 0 {
            start = Int(free[eights]) - 1
            free[eights] = (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << (8 * UInt32($1)) }
        } else {
            let left = Self.chunkBytes - bytes.count % Self.chunkBytes
            start = left < eights * 8 ? bytes.count + left : bytes.count
            bytes.grow(to: start + eights * 8)
        }
        for (offset, byte) in label.enumerated() { bytes[start + offset] = byte }
        return UInt32(start)
    }

    mutating func remove(_ start: UInt32, count: Int) {
        let eights = (count + 7) / 8
        guard eights > 0 else { return }
        for index in 0..<4 { bytes[Int(start) + index] = UInt8(truncatingIfNeeded: free[eights] >> (8 * UInt32(index))) }
        free[eights] = start + 1
    }

    /// Whether `count` bytes at `start` are those of `text` from `position` on.
    func isEqual(_ start: UInt32, _ text: [UInt8], _ position: Int, _ count: Int) -> Bool {
        guard count > 0 else { return true }
        let (chunk, offset) = bytes.chunk(with: Int(start))
        for index in 0..<count where chunk[offset &+ index] != text[position &+ index] { return false }
        return true
    }
}
