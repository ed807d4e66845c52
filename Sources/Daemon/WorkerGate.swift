import DNSInterceptor
import Enforcement

/// The node's gate, as the DNS worker drives it.
typealias WorkerGate = DNSGate

extension DNSGate: TickingGate {
    /// Bindings go only in the sweep of a tick, and when policy or conntrack's report comes by the mailbox; no binding makes room for another.
    public var onlyAddsBetweenTicks: Bool { true }
}
