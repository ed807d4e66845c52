/// The ICMP or ICMPv6 messages that a rule matches (`icmp`) or does not (`notICMP`). The rule's protocol says which of the two.
public struct ICMPMatch: Sendable, Hashable {
    /// 0...254; nil: any.
    public var type: UInt8?
    /// Only beside a type.
    public var code: UInt8?

    public init(type: UInt8? = nil, code: UInt8? = nil) {
        self.type = type
        self.code = code
    }
}
