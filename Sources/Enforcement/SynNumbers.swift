import Synchronization

/// With which sequence number connections began whose hello is observed only: their SYN is not in the queue of hellos, and the number of the first byte
/// has to be known where segments come out of order.
///
/// A fixed array of tag and number, found by the keyed hash of the flow. Any thread writes and reads, without locks; the newest flow takes the place of
/// another, whose first segment then counts as its beginning.
@safe
final class SynNumbers: @unchecked Sendable {
    private static let count = 65_536

    /// Upper half: tag, never 0 in use. Lower half: the SYN's sequence number.
    private let words: UnsafeMutablePointer<Atomic<UInt64>>

    init() {
        unsafe words = .allocate(capacity: Self.count)
        for index in 0..<Self.count { unsafe (words + index).initialize(to: Atomic(0)) }
    }

    deinit {
        unsafe words.deinitialize(count: Self.count)
        unsafe words.deallocate()
    }

    private static func tag(_ key: (UInt64, UInt64)) -> UInt64 { (key.1 | 1 << 63) & 0xffff_ffff_0000_0000 }

    func note(_ key: (UInt64, UInt64), _ sequence: UInt32) {
        unsafe words[Int(key.0 % UInt64(Self.count))].store(Self.tag(key) | UInt64(sequence), ordering: .relaxed)
    }

    func number(_ key: (UInt64, UInt64)) -> UInt32? {
        let word = unsafe words[Int(key.0 % UInt64(Self.count))].load(ordering: .relaxed)
        return word & 0xffff_ffff_0000_0000 == Self.tag(key) ? UInt32(truncatingIfNeeded: word) : nil
    }
}
