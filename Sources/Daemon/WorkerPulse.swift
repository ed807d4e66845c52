import DNSInterceptor
import Enforcement
import Logging
import NetworkTypes
import Synchronization

/// Whether a DNS worker turns: it is given a word now and then, and silent while it has not taken the last one for five seconds.
final class WorkerPulse: Sendable {
    private static let silenceNanoseconds: UInt64 = 5_000_000_000

    private let mailbox: DNSMailbox<WorkerGate>
    /// When the word was given that has not been taken yet, in nanoseconds since boot; 0: none.
    private let asked = Atomic<UInt64>(0)
    private let wasSilent = Atomic<Bool>(false)

    init(_ mailbox: DNSMailbox<WorkerGate>) { self.mailbox = mailbox }

    func isSilent(now: Instant) -> Bool {
        let asked = asked.load(ordering: .relaxed)
        return asked != 0 && now.nanoseconds > asked && now.nanoseconds - asked > Self.silenceNanoseconds
    }

    /// Gives a word if the last one was taken, and logs when a silence begins and ends. One caller at a time.
    func feel(now: Instant, number: Int, _ logger: Logger) {
        let isSilent = isSilent(now: now)
        if wasSilent.exchange(isSilent, ordering: .relaxed) != isSilent {
            if isSilent {
                logger.critical("a DNS worker does not answer; its clients get nothing until it does", metadata: ["worker": "\(number)"])
            } else {
                logger.notice("the DNS worker answers again", metadata: ["worker": "\(number)"])
            }
        }
        guard asked.load(ordering: .relaxed) == 0 else { return }
        asked.store(now.nanoseconds, ordering: .relaxed)
        mailbox.post { [self] _ in asked.store(0, ordering: .relaxed) }
    }
}
