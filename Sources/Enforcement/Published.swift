import Synchronization

/// Hands an immutable value from one writer to many reading threads.
///
/// A reader asks once per batch: one acquiring load of the version, and only when it has changed a lock and a copied reference.
/// Between two asks it goes on with the value that it has; so a writer that must know that nobody uses the old value any
/// more has to wait for its readers by other means.
public final class Published<Value: Sendable>: Sendable {
    private let slot: Mutex<Value>
    private let version = Atomic<UInt64>(1)

    public init(_ value: Value) {
        slot = Mutex(value)
    }

    /// Replaces the value. The store of the version releases it: a reader that sees the new version finds at least this value.
    public func publish(_ value: Value) {
        slot.withLock { $0 = value }
        version.add(1, ordering: .releasing)
    }

    /// The newest value, under the lock: for cold paths.
    public var current: Value { slot.withLock { $0 } }

    /// One thread's view.
    public struct Reader: ~Copyable {
        private let source: Published
        private var seen: UInt64
        public private(set) var value: Value

        public init(_ source: Published) {
            self.source = source
            seen = source.version.load(ordering: .acquiring)
            value = source.current
        }

        /// Takes over the newest value; true if it changed.
        @discardableResult
        public mutating func refresh() -> Bool {
            let now = source.version.load(ordering: .acquiring)
            guard now != seen else { return false }
            seen = now
            value = source.current
            return true
        }
    }
}
