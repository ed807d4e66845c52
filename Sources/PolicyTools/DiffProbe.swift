import NetworkTypes
import PolicyModel

/// A port of a protocol that two sets of rules may decide differently.
struct DiffProbe: Hashable {
    let transport: TransportProtocol
    var port: UInt16?
    var icmp = ICMPMatch()
    /// `TCP 443`.
    let text: String

    init(_ transport: TransportProtocol, port: UInt16) {
        self.transport = transport
        self.port = port
        text = "\(transport) \(port)"
    }

    init(_ transport: TransportProtocol, icmp: ICMPMatch) {
        self.transport = transport
        self.icmp = icmp
        text = "\(transport) \(icmp.type ?? 0)" + (icmp.code.map { "/\($0)" } ?? "")
    }

    /// One that stands for all others.
    init(_ transport: TransportProtocol, port: UInt16? = nil, icmp: ICMPMatch = ICMPMatch(), text: String) {
        self.transport = transport
        self.port = port
        self.icmp = icmp
        self.text = text
    }

    func applies(to family: IPFamily?) -> Bool {
        transport == .icmp ? family != .v6 : transport == .icmpv6 ? family != .v4 : true
    }
}
