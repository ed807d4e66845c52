/// The table's named counters: one per reason for which a rule drops or rejects, and those of the kernel leases.
public enum TableCounter: String, Sendable, CaseIterable {
    /// From a workload interface with a source that no known endpoint has there.
    case unknownEndpoint = "unknown_endpoint"
    /// A workload's address from an interface where no workload is.
    case spoofedSource = "spoofed_source"
    /// `ct state invalid` from or to a policed address.
    case invalidState = "ct_invalid"
    /// A TCP packet without SYN that would open an entry towards a policed address.
    case midstreamIngress = "midstream_ingress"
    /// An ICMP error about a flow that is not allowed now.
    case relatedDenied = "related_denied"
    /// VXLAN or IP in IP from a workload interface.
    case encapsulation = "encapsulation"
    /// From a workload to its own node, where that is closed (`defaultEndpointToHostAction: Drop`).
    case endpointToHost = "endpoint_to_host"
    /// Refused by a verdict.
    case rejected = "rejected"

    /// Of a flow that was admitted once and then refused (ct mark `denied`).
    case revoked = "revoked"

    /// New questions of an endpoint beyond its rate, ahead of the queue.
    case questionRate = "question_rate"
    /// New flows of intercepted queries of an endpoint beyond the same rate, in a bucket of their own.
    case queryRate = "query_rate"
    /// New flows of an endpoint beyond its rate, ahead of leases.
    case connectionRate = "connection_rate"
    /// Packets of an endpoint's flows whose name is looked at, beyond its rate, ahead of the queue of hellos.
    case helloRate = "hello_rate"
    /// From a trusted resolver to a workload that has asked for nothing (`dns.snoop`).
    case snoopedUnasked = "snooped_unasked"
    /// New flows of an endpoint that has as many as it may.
    case connectionCap = "connection_cap"

    // Nothing is refused where these count.
    /// First packets that a kernel lease let pass.
    case leased = "leased"
    /// Leases that verdicts asked for and that found the map full.
    case leaseRefused = "lease_refused"

    /// Datagrams from the address of an upstream that no socket of this host waits for.
    case unaskedAnswer = "unasked_answer"
    /// The same from port 53 of anybody else.
    case strangerAnswer = "stranger_answer"

    public var isRefusal: Bool {
        switch self {
        case .leased, .leaseRefused, .unaskedAnswer, .strangerAnswer: false
        default: true
        }
    }
}
