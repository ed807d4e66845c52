import NetworkTypes

/// Destination ports on which names are verified, of TCP or UDP. Annotation `exeat.io/verify-name-ports`: `tcp:443,tcp:8000-8080,udp:443`.
public struct NamePort: Hashable, Sendable, BitwiseCopyable {
    public let transport: TransportProtocol
    public let ports: PortRange

    public init(transport: TransportProtocol, ports: PortRange) {
        self.transport = transport
        self.ports = ports
    }

    /// `tcp:PORT`, `udp:PORT`, or a range `tcp:LOW-HIGH`; ports from 1.
    public init?(parsing text: some StringProtocol) {
        let parts = String(text).split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        switch parts[0] {
        case "tcp": transport = .tcp
        case "udp": transport = .udp
        default: return nil
        }
        let ends = parts[1].split(separator: "-", omittingEmptySubsequences: false).map { Self.port($0) }
        guard ends.count <= 2, let low = ends.first ?? nil, let high = ends.last ?? nil, let range = PortRange(low, high) else {
            return nil
        }
        ports = range
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard text.utf8.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }), let port = UInt16(text), port > 0 else { return nil }
        return port
    }

    /// Where names are verified unless a policy says otherwise: TCP 443 and 80, UDP 443.
    public static let standard = [
        NamePort(transport: .tcp, ports: PortRange(443)), NamePort(transport: .tcp, ports: PortRange(80)),
        NamePort(transport: .udp, ports: PortRange(443)),
    ]

    public static func isStandard(_ transport: TransportProtocol, _ port: UInt16) -> Bool {
        port == 443 ? transport == .tcp || transport == .udp : port == 80 && transport == .tcp
    }
}
