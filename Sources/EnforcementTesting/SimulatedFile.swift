import Enforcement

/// A mapped file of the runtime directory: memory that outlives every process, and that may come back damaged.
@safe
final class SimulatedFile: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    let byteCount: Int

    init(byteCount: Int) {
        self.byteCount = byteCount
        unsafe base = .allocate(byteCount: byteCount, alignment: 4096)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    }

    deinit { unsafe base.deallocate() }

    /// For one process. The file lives at least as long.
    var memory: SharedMemory {
        let file = self
        // Sound: the memory holds `byteCount` bytes, and the closure keeps it.
        return unsafe SharedMemory(base: base, byteCount: byteCount) { _ = file }
    }

    subscript(_ offset: Int) -> UInt8 {
        get {
            precondition((0..<byteCount).contains(offset), "offset in the file")
            return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
        }
        set {
            precondition((0..<byteCount).contains(offset), "offset in the file")
            unsafe base.storeBytes(of: newValue, toByteOffset: offset, as: UInt8.self)
        }
    }

    func bytes(_ range: Range<Int>) -> [UInt8] {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "range in the file")
        return unsafe Array(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    func replace(_ bytes: [UInt8], at offset: Int) {
        for (index, byte) in bytes.enumerated() { self[offset + index] = byte }
    }

    func clear() {
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    }
}
