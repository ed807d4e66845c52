import Synchronization

/// One value on its way from one thread to another.
final class ResultBox<Value: Sendable>: Sendable {
    private let slot = Mutex<Value?>(nil)

    func set(_ value: Value) { slot.withLock { $0 = value } }
    func take() -> Value? { slot.withLock { $0 } }
}
