import DNSInterceptor
import DomainNames
import Enforcement
import NetworkTypes
import Synchronization

/// A gate that knows clients by loopback address, notes what it is taught and answers as it is told:
/// 127.0.0.1 and ::1 are endpoints, 127.0.0.2 may ask but is not policed, all others are unknown.
struct TestGate: TickingGate {
    struct Lesson: Hashable {
        let name: DomainName
        let addresses: [IPAddress]
        let ttl: UInt32
        let client: DNSClient
    }

    /// What the test and the worker's thread share.
    final class Log: Sendable {
        private let state = Mutex<(lessons: [Lesson], release: AnswerRelease, ticks: Int)>(([], .release(timeToLiveCapSeconds: 86_400), 0))
        private let refused = Mutex<[DomainName: AnswerRefusal]>([:])

        var refusedNames: [DomainName: AnswerRefusal] {
            get { refused.withLock { $0 } }
            set { refused.withLock { $0 = newValue } }
        }

        var lessons: [Lesson] { state.withLock { $0.lessons } }
        var ticks: Int { state.withLock { $0.ticks } }
        var release: AnswerRelease {
            get { state.withLock { $0.release } }
            set { state.withLock { $0.release = newValue } }
        }

        func note(_ lesson: Lesson) -> AnswerRelease {
            state.withLock {
                $0.lessons.append(lesson)
                return $0.release
            }
        }

        func tick() { state.withLock { $0.ticks += 1 } }
    }

    let log: Log
    static let endpoint = DNSClient.endpoint(EndpointID(rawValue: 1))
    private let policed = [IPAddress(parsing: "127.0.0.1"), IPAddress(parsing: "::1")]
    private let unpoliced = IPAddress(parsing: "127.0.0.2")

    /// Nil if it wants to be asked each time; otherwise another with each tick, and when a test says so.
    var era: UInt32?

    init(log: Log, hasEras: Bool = false) {
        self.log = log
        era = hasEras ? 0 : nil
    }

    /// Whoever asks from 127.0.1.0/24 is not policed either.
    mutating func client(at source: IPAddress) -> DNSClient? {
        if policed.contains(source) { return Self.endpoint }
        return source == unpoliced || source.family == .v4 && source.v4 >> 8 == 0x7f00_01 ? .unpoliced : nil
    }

    var refusesNames: Bool { !log.refusedNames.isEmpty }

    mutating func refusal(of name: DomainName, client: DNSClient) -> NameRefusal? {
        client == Self.endpoint ? log.refusedNames[name].map { NameRefusal($0, rule: "default|web|egress[0]|Deny") } : nil
    }

    mutating func learn(
        _ name: DomainName, addresses: [IPAddress], timeToLiveSeconds: UInt32, client: DNSClient, now: Instant
    ) -> AnswerRelease {
        log.note(Lesson(name: name, addresses: addresses, ttl: timeToLiveSeconds, client: client))
    }

    mutating func tick(now: Instant) {
        log.tick()
        beginEra()
    }

    mutating func beginEra() { era = era.map { $0 &+ 1 } }

    /// Record 7 is r7.example.org; there are none below 0.
    func name(of redial: Redial, now: Instant) -> DomainName? {
        redial.record < 0 ? nil : try? DomainName(parsing: "r\(redial.record).example.org")
    }
}
