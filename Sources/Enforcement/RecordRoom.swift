/// How far into its memory a store may write: a mapped file has holes, and to touch one on a disk without room would end the process (SIGBUS, mmap(2)).
struct RecordRoom {
    /// Taken at once, so that few records ask the kernel.
    private static let stepBytes = 1 << 18
    /// After a refusal so many records are refused without asking.
    private static let patience = 64

    private let memory: SharedMemory
    private var byteCount = 0
    private var refused = 0

    init(_ memory: SharedMemory) { self.memory = memory }

    /// Whether the first `wanted` bytes of the memory may be written.
    mutating func covers(_ wanted: Int) -> Bool {
        if wanted <= byteCount { return true }
        if refused > 0, refused < Self.patience {
            refused += 1
            return false
        }
        let more = min((wanted + Self.stepBytes - 1) / Self.stepBytes * Self.stepBytes, memory.byteCount)
        guard memory.reserve(more) else {
            refused = 1
            return false
        }
        refused = 0
        byteCount = more
        return true
    }
}
