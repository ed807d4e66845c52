import Enforcement
import NetworkTypes

/// A resolver for one thread: it takes clients' queries, answers from its cache, asks upstreams, and lets no answer out before the gate has
/// published what it teaches.
///
///     clients --UDP, TCP--> scan --> cache --hit--------------------------> gate.learn --> patch --> send
///                                      |                                         ^
///                                      miss --> coalesce --> upstreams --> parse-+--> cache
///
/// `run()` is its event loop (poll and epoll). Only the gate's owner calls the gate; other threads reach it through the mailbox.
/// Several workers, each with sockets, cache, connections and gate of its own, may serve the same addresses (``DNSSockets/steer(_:over:seed:)``).
/// Limits, and what happens when they are reached, are in ``DNSWorkerConfiguration``; everything is counted in ``DNSCounters``.
public struct DNSWorker<Gate: TickingGate & ~Copyable>: ~Copyable {
    private var core: DNSWorkerCore
    private let mailbox: DNSMailbox<Gate>
    private let takesRedials: Bool
    public var gate: Gate

    /// Takes over listening sockets, which are bound and non-blocking (``DNSSockets``), and closes them when it goes. Whoever
    /// keeps them over a crash holds duplicates. Through `link` it tells of queries in flight, and if it `takesRedials`, as one of several workers
    /// does, it is asked for these.
    /// - Throws: also if `upstreamMark` is set and may not be. The sockets are then still the caller's.
    public init(
        configuration: DNSWorkerConfiguration, datagramSockets: [Int32], streamSockets: [Int32], gate: consuming Gate,
        counters: DNSCounters, mailbox: DNSMailbox<Gate>, link: HoldLink? = nil, takesRedials: Bool = true
    ) throws(DNSSocketError) {
        core = try DNSWorkerCore(
            configuration: configuration, datagramSockets: datagramSockets, streamSockets: streamSockets, counters: counters,
            mailbox: mailbox.descriptor, link: link)
        self.mailbox = mailbox
        self.takesRedials = takesRedials
        self.gate = gate
    }

    /// Works until the mailbox is told to stop. For queries that then wait for upstreams it goes on for up to a second; it takes no others, which
    /// are left in the sockets for whoever serves them next.
    public mutating func run() {
        var nextTick = core.now
        while true {
            if core.now >= nextTick {
                gate.tick(now: core.now)
                core.tick()
                nextTick = core.now.advanced(bySeconds: 1)
            }
            let rang = core.turn(until: nextTick, gate: &gate)
            guard rang else { continue }
            let works = mailbox.take()
            if takesRedials { core.takeRedials(gate: &gate) }
            for work in works { work(&gate) }
            if mailbox.mustStop { break }
        }
        let end = core.now.advanced(bySeconds: 1)
        repeat {
            for work in mailbox.take() { work(&gate) }
        } while core.drain(until: end, gate: &gate)
        for work in mailbox.take() { work(&gate) }
        core.updateGauges()
        mailbox.noteEnd()
    }

    /// Ends the worker, closes its sockets and gives the gate back.
    public consuming func finish() -> Gate { gate }
}
