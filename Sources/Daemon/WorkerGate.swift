import DNSInterceptor
import Enforcement

/// A gate of the node, as its DNS worker drives it.
typealias WorkerGate = DNSGate

extension DNSGate: TickingGate {}
