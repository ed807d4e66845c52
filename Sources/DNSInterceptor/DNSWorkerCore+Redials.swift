import DNSMessages
import Enforcement
import NetworkTypes

/// Names that are resolved again for clients that dial an address whose binding has ended: as a query of that client, whose answer is learned
/// and sent to nobody. A packet waits meanwhile; whoever asked has counted the redial as a query in flight.
extension DNSWorkerCore {
    mutating func takeRedials<G: AnswerGate & ~Copyable>(gate: inout G) {
        guard let link else { return }
        for ring in link.redials {
            // What comes meanwhile is announced anew.
            for _ in 0..<HoldLink.redialsMax {
                guard let redial = ring.popFirst() else { break }
                start(redial, link, gate: &gate)
            }
        }
    }

    private mutating func start<G: AnswerGate & ~Copyable>(_ redial: Redial, _ link: HoldLink, gate: inout G) {
        guard gate.client(at: redial.source) == .endpoint(redial.endpoint), let name = gate.name(of: redial, now: now) else {
            link.note(.forgotten)
            return link.flights.end(redial.endpoint)
        }
        guard let slot = redials.begin(redial, name) else {
            link.note(.limited)
            return link.flights.end(redial.endpoint)
        }
        let message = RunningRedials.query(for: name, redial.address.family)
        handle(message.span, from: redial.source, .redial(slot: slot), gate: &gate)
    }

    /// What the answer teaches is published by now.
    mutating func end(redial slot: Int, with addresses: [IPAddress]) {
        guard let link, let redial = redials.end(slot) else { return }
        link.note(addresses.contains(redial.address) ? .confirmed : .changed)
        link.flights.end(redial.endpoint)
    }
}
