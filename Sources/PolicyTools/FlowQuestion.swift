import DomainNames
import NetworkTypes
import PolicyModel

/// One flow to be decided: whose, with whom, how.
public struct FlowQuestion: Sendable, Hashable {
    /// The endpoint that policy is asked about, by its place in `PolicyInspector.policy.endpoints`.
    public var endpoint: Int
    /// Whom it talks to; for ingress who talks to it.
    public var peer: FlowPeer
    public var transport: TransportProtocol
    /// Of the destination. Nil: 443 where the protocol has ports.
    public var port: UInt16?
    public var icmp: ICMPMatch
    /// Names under which the endpoint has resolved the peer's address. A peer that is a name is resolved by itself.
    public var resolved: [DomainName]

    public init(
        endpoint: Int, peer: FlowPeer, transport: TransportProtocol = .tcp, port: UInt16? = nil, icmp: ICMPMatch = ICMPMatch(),
        resolved: [DomainName] = []
    ) {
        self.endpoint = endpoint
        self.peer = peer
        self.transport = transport
        self.port = port
        self.icmp = icmp
        self.resolved = resolved
    }
}
