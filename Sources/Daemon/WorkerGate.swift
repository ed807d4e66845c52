import DNSInterceptor
import Enforcement

/// The node's gate, as the DNS worker drives it.
typealias WorkerGate = DNSGate

extension DNSGate: TickingGate {
    /// Live bindings end only in the sweep of a tick, when policy comes by the mailbox, and when newer addresses of their name need the room,
    /// which `withdrawals` counts.
    public var onlyAddsBetweenTicks: Bool { true }
}
