import CLinux
import Enforcement
import Glibc
import NetworkTypes
import Synchronization

/// What other threads hand to the thread of the flows. Bounded: facts beyond `factsMax` are lost and counted, and the sweep finds their flows.
final class FlowMailbox: Sendable {
    struct Letters: Sendable {
        var facts: [FlowFact] = []
        /// Each is given the lines of all live flows.
        var questions: [@Sendable ([String]) -> Void] = []
        var mustStop = false
    }

    private static let factsMax = 65_536
    private static let questionsMax = 64

    /// An eventfd (eventfd(2)): readable when there is something to do.
    let descriptor: Int32
    private let waiting = Mutex(Letters())
    private let lost = Atomic<UInt64>(0)

    init() throws(DaemonError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else { throw DaemonError("cannot make an eventfd", code: errno) }
    }

    deinit { close(descriptor) }

    var lostFacts: UInt64 { lost.load(ordering: .relaxed) }

    func post(_ facts: [FlowFact]) {
        let dropped = waiting.withLock { letters in
            let room = max(0, Self.factsMax - letters.facts.count)
            letters.facts += facts.prefix(room)
            return facts.count - min(room, facts.count)
        }
        if dropped > 0 { lost.add(UInt64(dropped), ordering: .relaxed) }
        ring()
    }

    /// False if too many wait already.
    func ask(_ question: @escaping @Sendable ([String]) -> Void) -> Bool {
        let isTaken = waiting.withLock { letters in
            guard letters.questions.count < Self.questionsMax else { return false }
            letters.questions.append(question)
            return true
        }
        ring()
        return isTaken
    }

    func stop() {
        waiting.withLock { $0.mustStop = true }
        ring()
    }

    /// Takes everything that waits.
    func take() -> Letters {
        // Emptied before the letters are taken, so that no later one goes unnoticed.
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, 8)
        return waiting.withLock { letters in
            let taken = letters
            letters = Letters(mustStop: taken.mustStop)
            return taken
        }
    }

    private func ring() {
        var one: UInt64 = 1
        // Fails only when the counter is at its ceiling: then the thread is already called.
        _ = unsafe write(descriptor, &one, 8)
    }
}
