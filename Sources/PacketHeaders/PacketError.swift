/// Why a packet cannot be judged by its headers. Each is a reason for a drop.
public enum PacketError: UInt8, Error, CaseIterable, Sendable, BitwiseCopyable {
    case empty
    /// The version field is neither 4 nor 6.
    case unknownVersion
    /// The bytes end within a header.
    case truncatedHeader
    /// A header says that it is shorter than it can be.
    case badHeaderLength
    /// The IP header says that the packet ends within its own headers.
    case lyingLength
    /// A fragment: conntrack reassembles ahead of our hooks, so none should come.
    case fragment
    /// More than `PacketHeaders.extensionHeadersMax` IPv6 extension headers.
    case tooManyExtensionHeaders
    /// A source or destination port of 0.
    case portZero
    /// TCP flags that no stack sends: none at all, SYN with FIN or RST.
    case illegalTCPFlags
    /// An unspecified, multicast or (IPv4) broadcast source.
    case illegalSource
    /// The packet names further stops (IPv4 source route, IPv6 routing header with segments left): its destination is not the last.
    case sourceRoute
    /// An IPv4 option of a length that cannot be.
    case badOption

    /// snake_case, for logs and metrics.
    public var label: String {
        switch self {
        case .empty: "empty"
        case .unknownVersion: "unknown_version"
        case .truncatedHeader: "truncated_header"
        case .badHeaderLength: "bad_header_length"
        case .lyingLength: "lying_length"
        case .fragment: "fragment"
        case .tooManyExtensionHeaders: "too_many_extension_headers"
        case .portZero: "port_zero"
        case .illegalTCPFlags: "illegal_tcp_flags"
        case .illegalSource: "illegal_source"
        case .sourceRoute: "source_route"
        case .badOption: "bad_option"
        }
    }
}
