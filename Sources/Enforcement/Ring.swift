import Synchronization

/// A fixed ring between one producing and one consuming thread. When it is full the newest fact is dropped and counted;
/// the producer never waits.
@safe
public final class Ring<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
    private let storage: UnsafeMutablePointer<Element>
    private let mask: Int
    /// Next place to write; written by the producer only.
    private let head = Atomic<Int>(0)
    /// Next place to read; written by the consumer only.
    private let tail = Atomic<Int>(0)
    private let dropped = Atomic<UInt64>(0)

    /// `capacity` is rounded up to a power of two.
    public init(capacity: Int, filler: Element) {
        var size = 1
        while size < capacity { size *= 2 }
        unsafe storage = .allocate(capacity: size)
        unsafe storage.initialize(repeating: filler, count: size)
        mask = size - 1
    }

    deinit { unsafe storage.deallocate() }

    /// Facts that were lost because the ring was full.
    public var droppedCount: UInt64 { dropped.load(ordering: .relaxed) }

    /// False if the ring was full.
    @discardableResult
    public func append(_ element: Element) -> Bool {
        let place = head.load(ordering: .relaxed)
        // Acquiring: the consumer has read the slot before it moved the tail.
        guard place - tail.load(ordering: .acquiring) <= mask else {
            dropped.add(1, ordering: .relaxed)
            return false
        }
        // Sound: the place is within the ring, and the consumer does not read it before the head moves.
        unsafe storage[place & mask] = element
        head.store(place + 1, ordering: .releasing)
        return true
    }

    /// Where the fact will lie that is appended `count` facts from now, to be prefetched, not written. By the producer.
    public func place(ahead count: Int) -> UnsafeRawPointer {
        unsafe UnsafeRawPointer(storage + ((head.load(ordering: .relaxed) + count) & mask))
    }

    /// The oldest fact, or nil.
    public func popFirst() -> Element? {
        let place = tail.load(ordering: .relaxed)
        guard place != head.load(ordering: .acquiring) else { return nil }
        // Sound: the producer has written the place before it moved the head.
        let element = unsafe storage[place & mask]
        tail.store(place + 1, ordering: .releasing)
        return element
    }
}
