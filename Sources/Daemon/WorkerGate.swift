import DNSInterceptor
import Enforcement

/// The node's gate, as the DNS worker drives it.
typealias WorkerGate = DNSGate

extension DNSGate: TickingGate {}
