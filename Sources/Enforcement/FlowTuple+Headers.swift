import NetworkTypes
import PacketHeaders
import PolicyEngine

extension FlowTuple {
    /// The flow of a packet, as its originator sent it: a reply is turned round, an ICMP answer into its question.
    @inlinable
    init(_ headers: PacketHeaders, isReply: Bool) {
        if isReply {
            self.init(
                source: headers.destination, destination: headers.source, transport: headers.transport,
                sourcePort: headers.destinationPort, destinationPort: headers.sourcePort,
                icmpType: Self.question(headers.icmpType, headers.transport), icmpCode: headers.icmpCode)
        } else {
            self.init(
                source: headers.source, destination: headers.destination, transport: headers.transport, sourcePort: headers.sourcePort,
                destinationPort: headers.destinationPort, icmpType: headers.icmpType, icmpCode: headers.icmpCode)
        }
    }

    /// RFC 792: echo 8/0, timestamp 13/14, information 15/16, address mask 17/18. RFC 4443: echo 128/129.
    @inlinable
    static func question(_ type: UInt8, _ transport: TransportProtocol) -> UInt8 {
        switch (transport, type) {
        case (.icmp, 0): 8
        case (.icmp, 14), (.icmp, 16), (.icmp, 18): type - 1
        case (.icmpv6, 129): 128
        default: type
        }
    }
}
