/// The beginning of a stream, put together from pieces in any order.
///
///     bytes:   [ received | gap | received ]        at most `capacity`; what lies beyond is not kept
///     pieces:  0..<a         b..<c                  disjoint, not adjacent, ascending
///
/// Where pieces overlap they must agree: receivers differ in which one they keep.
struct ByteStream: Sendable {
    let capacity: Int
    let piecesMax: Int
    /// Up to the last byte received, zeros in the gaps. The first `contiguousCount` are good.
    private(set) var storage: [UInt8] = []
    private var pieces: [Range<Int>] = []

    init(capacity: Int, piecesMax: Int) {
        self.capacity = capacity
        self.piecesMax = piecesMax
    }

    /// Bytes from the start without a gap.
    var contiguousCount: Int {
        guard let first = pieces.first, first.lowerBound == 0 else { return 0 }
        return first.upperBound
    }

    /// No more bytes can come to the contiguous ones.
    var isFull: Bool { contiguousCount == capacity }

    /// Memory in use, gaps included.
    var byteCount: Int { storage.count }

    /// Takes `bytes[from...]` as the bytes at `offset`, which is not negative. Returns whether there was anything not seen before.
    ///
    /// Throws `overlapDiffers` and `tooManyPieces`; the stream is then as it was.
    mutating func insert(_ bytes: Span<UInt8>, from: Int = 0, at offset: Int) throws(NameFault) -> Bool {
        let count = bytes.count - from
        guard count > 0 else { return false }
        guard offset < capacity else { return true }
        let end = min(capacity, offset + count)
        var covered = 0
        for piece in pieces {
            let overlap = piece.clamped(to: offset..<end)
            guard !overlap.isEmpty else { continue }
            for place in overlap where storage[place] != bytes[from + place - offset] { throw .overlapDiffers }
            covered += overlap.count
        }
        let isBeyond = offset + count > capacity
        guard covered < end - offset else { return isBeyond }
        var merged = offset..<end
        var kept: [Range<Int>] = []
        for piece in pieces {
            if piece.upperBound < merged.lowerBound || piece.lowerBound > merged.upperBound {
                kept.append(piece)
            } else {
                merged = min(piece.lowerBound, merged.lowerBound)..<max(piece.upperBound, merged.upperBound)
            }
        }
        kept.insert(merged, at: kept.firstIndex { $0.lowerBound > merged.lowerBound } ?? kept.count)
        guard kept.count <= piecesMax else { throw .tooManyPieces }
        pieces = kept
        if storage.count < end { storage.append(contentsOf: repeatElement(0, count: end - storage.count)) }
        for place in offset..<end { storage[place] = bytes[from + place - offset] }
        return true
    }
}
