import DNSInterceptor
import Daemon
import DomainNames
import Enforcement
import NetworkTypes

/// The node's gate with a clock around each answer that it learns: all that learning and publishing adds to forwarding.
struct TimedGate: TickingGate, ~Copyable {
    private var gate: DNSGate
    /// Of each answer; interruptions count too, and the two reads of the clock.
    private(set) var nanoseconds: [UInt64] = []
    /// The same without interruptions: of the thread's CPU time. Packets that the kernel takes in on this thread's time count.
    private(set) var processorNanoseconds: [UInt64] = []
    /// Of arithmetic that takes as long as learning does, between answers of the same thread.
    private(set) var arithmeticNanoseconds: [UInt64] = []
    private let arithmetic: PlainArithmetic

    init(_ gate: consuming DNSGate, capacity: Int, arithmetic: PlainArithmetic) {
        self.gate = gate
        self.arithmetic = arithmetic
        arithmeticNanoseconds.reserveCapacity(capacity)
        nanoseconds.reserveCapacity(capacity)
        processorNanoseconds.reserveCapacity(capacity)
    }

    var refusesNames: Bool { gate.refusesNames }
    var era: UInt32? { gate.era }

    mutating func client(at source: IPAddress) -> DNSClient? { gate.client(at: source) }

    mutating func client(at source: IPAddress, ofClass number: UInt8) -> DNSClient? { gate.client(at: source, ofClass: number) }

    mutating func refusal(of name: DomainName, client: DNSClient) -> NameRefusal? { gate.refusal(of: name, client: client) }

    mutating func learn(
        _ name: DomainName, addresses: [IPAddress], timeToLiveSeconds: UInt32, client: DNSClient, now: Instant
    ) -> AnswerRelease {
        let processorStart = (try? CPUTime.ofThisThread()) ?? 0
        let start = BootClock.now()
        let release = gate.learn(name, addresses: addresses, timeToLiveSeconds: timeToLiveSeconds, client: client, now: now)
        nanoseconds.append(BootClock.now().nanoseconds(since: start))
        processorNanoseconds.append(((try? CPUTime.ofThisThread()) ?? processorStart) - processorStart)
        arithmeticNanoseconds.append(arithmetic.run())
        return release
    }

    func name(of redial: Redial, now: Instant) -> DomainName? { gate.name(of: redial, now: now) }

    mutating func tick(now: Instant) { gate.tick(now: now) }
}
