import Foundation
import Synchronization

/// Tells threads to end, and waits until they have.
final class SharedFlag: Sendable {
    private let value = Atomic<Bool>(false)
    private let threads = Atomic<Int>(0)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func enter() { threads.add(1, ordering: .relaxed) }
    func leave() { threads.subtract(1, ordering: .relaxed) }

    func setAndWait() {
        value.store(true, ordering: .relaxed)
        for _ in 0..<500 where threads.load(ordering: .relaxed) > 0 { usleep(10_000) }
    }
}
