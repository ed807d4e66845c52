import Synchronization

/// A fixed array of counters that one thread increments and any thread reads.
@safe
public final class CounterArray: @unchecked Sendable {
    private let values: UnsafeMutablePointer<Atomic<UInt64>>
    public let count: Int

    public init(count: Int) {
        self.count = count
        unsafe values = .allocate(capacity: count)
        for index in 0..<count { unsafe (values + index).initialize(to: Atomic(0)) }
    }

    deinit {
        unsafe values.deinitialize(count: count)
        unsafe values.deallocate()
    }

    /// Relaxed, and not one atomic step: there is no other writer, and a count orders nothing.
    public func increment(_ index: Int, by amount: UInt64 = 1) {
        precondition(index >= 0 && index < count, "counter index")
        let old = unsafe values[index].load(ordering: .relaxed)
        unsafe values[index].store(old &+ amount, ordering: .relaxed)
    }

    func set(_ index: Int, _ value: UInt64) {
        precondition(index >= 0 && index < count, "counter index")
        unsafe values[index].store(value, ordering: .relaxed)
    }

    public subscript(index: Int) -> UInt64 {
        precondition(index >= 0 && index < count, "counter index")
        return unsafe values[index].load(ordering: .relaxed)
    }
}
