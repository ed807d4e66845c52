import Foundation
import Synchronization

/// Between threads: to end, and whether they have; or to begin.
final class SharedFlag: Sendable {
    private let value = Atomic<Bool>(false)
    private let threads = Atomic<Int>(0)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func enter() { threads.add(1, ordering: .relaxed) }
    func leave() { threads.subtract(1, ordering: .relaxed) }

    func set() { value.store(true, ordering: .relaxed) }

    func wait(seconds: Int) throws {
        for _ in 0..<100 * seconds where !isSet { usleep(10_000) }
        guard isSet else { throw BenchError("nothing began within \(seconds) s") }
    }

    func setAndWait() {
        set()
        for _ in 0..<500 where threads.load(ordering: .relaxed) > 0 { usleep(10_000) }
    }
}
