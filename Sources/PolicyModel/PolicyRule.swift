import NetworkTypes

/// One rule of a policy. All criteria must hold; an absent one does.
public struct PolicyRule: Sendable, Hashable {
    public var action: RuleAction
    public var ipVersion: IPFamily?
    public var `protocol`: TransportProtocol?
    public var notProtocol: TransportProtocol?
    /// Only beside the protocol ICMP or ICMPv6.
    public var icmp: ICMPMatch?
    public var notICMP: ICMPMatch?
    public var source: EntityRule
    public var destination: EntityRule
    /// Of the rule's own metadata.
    public var annotations: [String: String]
    public var location: SourceLocation?

    public init(
        action: RuleAction, ipVersion: IPFamily? = nil, protocol: TransportProtocol? = nil, notProtocol: TransportProtocol? = nil,
        icmp: ICMPMatch? = nil, notICMP: ICMPMatch? = nil, source: EntityRule = .any, destination: EntityRule = .any,
        annotations: [String: String] = [:],
        location: SourceLocation? = nil
    ) {
        self.action = action
        self.ipVersion = ipVersion
        self.protocol = `protocol`
        self.notProtocol = notProtocol
        self.icmp = icmp
        self.notICMP = notICMP
        self.source = source
        self.destination = destination
        self.annotations = annotations
        self.location = location
    }
}
