/// A zeroed or recovered block of memory that outlives the values that read it. The edge that maps a file hands it in with
/// the way to release it; tests and rebuilt tables use plain memory.
@safe
public final class SharedMemory: @unchecked Sendable {
    /// Aligned to a page, or at least to 64 bytes.
    let base: UnsafeMutableRawPointer
    public let byteCount: Int
    /// Sees to it that so many bytes from the beginning may be written; false if there is no room for them.
    let reserve: @Sendable (Int) -> Bool
    private let release: @Sendable () -> Void

    /// `release` is called once, when the last reader is gone. `reserve` is of memory that may have holes.
    @unsafe
    public init(
        base: UnsafeMutableRawPointer, byteCount: Int, reserve: @escaping @Sendable (Int) -> Bool = { _ in true },
        release: @escaping @Sendable () -> Void
    ) {
        unsafe self.base = base
        self.byteCount = byteCount
        self.reserve = reserve
        self.release = release
    }

    /// Plain zeroed memory.
    public convenience init(byteCount: Int) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        // Sound: the address was allocated above and is freed nowhere else.
        let address = Int(bitPattern: memory)
        unsafe self.init(base: memory, byteCount: byteCount) {
            unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
        }
    }

    deinit { release() }
}
