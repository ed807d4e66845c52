import Synchronization

/// Keeps the memory of large programs that are gone for the next ones, so that a change of a policy that everybody has does not make the
/// kernel take back and clear megabytes each time. Programs end on whatever thread lets go of them last.
@safe
final class ProgramMemory: Sendable {
    @safe
    private struct Piece: @unchecked Sendable {
        let base: UnsafeMutableRawPointer
        let byteCount: Int
    }

    private let free = Mutex<[Piece]>([])

    /// Smaller pieces are the allocator's business.
    private static let pooledBytesMin = 131_072
    private static let piecesMax = 3
    static let alignment = 64

    init() {}

    deinit {
        free.withLock { pieces in
            for piece in pieces { unsafe piece.base.deallocate() }
        }
    }

    /// At least `byteCount` bytes, to be given back with `put` and the number of bytes that came with them.
    func take(_ byteCount: Int) -> (base: UnsafeMutableRawPointer, byteCount: Int) {
        let byteCount = max(byteCount, Self.alignment)
        guard byteCount >= Self.pooledBytesMin else {
            return (UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: Self.alignment), byteCount)
        }
        // A piece that is much too large stays for somebody else.
        let found = free.withLock { pieces -> Piece? in
            guard let place = pieces.firstIndex(where: { $0.byteCount >= byteCount && $0.byteCount / 2 <= byteCount }) else { return nil }
            return pieces.remove(at: place)
        }
        if let found { return unsafe (found.base, found.byteCount) }
        // Room to grow by an eighth, so that the next version of a growing program fits.
        let room = byteCount + byteCount / 8
        return (UnsafeMutableRawPointer.allocate(byteCount: room, alignment: Self.alignment), room)
    }

    func put(_ base: UnsafeMutableRawPointer, _ byteCount: Int) {
        if byteCount >= Self.pooledBytesMin {
            let piece = unsafe Piece(base: base, byteCount: byteCount)
            let isKept = free.withLock { pieces -> Bool in
                guard pieces.count < Self.piecesMax else { return false }
                pieces.append(piece)
                return true
            }
            if isKept { return }
        }
        unsafe base.deallocate()
    }
}
