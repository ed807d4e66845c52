/// Why no name could be read from the first bytes of a flow. With `require` each is a refusal, with `observe` it is counted.
public enum NameFault: UInt8, Error, CaseIterable, Sendable, BitwiseCopyable {
    // The stream of bytes
    /// Two segments, or two CRYPTO frames, differ where they overlap: what the server will read cannot be told.
    case overlapDiffers
    /// Bytes beyond `NameCheckLimits.bytesPerFlow`.
    case tooLarge
    /// More pieces with gaps between them than are kept.
    case tooManyPieces
    /// The beginning of the connection was not seen, so it cannot be told where its first byte is.
    case unknownStart
    /// Urgent data (TCP URG): whether the server reads it in its place cannot be told.
    case urgentData
    /// The name was not complete in time.
    case timeout
    /// More packets, bytes or flows of this client wait for names than may.
    case tooManyWaiting
    /// The first byte begins neither TLS nor HTTP.
    case unknownProtocol

    // TLS
    case malformedRecord
    /// A hello in the format of SSL 2 (RFC 5246 Appendix E.2), which has no names.
    case sslVersion2
    /// The first handshake message is no ClientHello.
    case notClientHello
    case malformedHello
    /// No server_name extension, or none with a host name.
    case noServerName
    case duplicateServerName

    // HTTP
    case malformedRequest
    /// A line that continues the one before (`obs-fold`, RFC 9112 §5.2).
    case foldedHeader
    case noHost
    case duplicateHost
    /// The request's target names another host than its Host field.
    case hostMismatch
    /// The preface of HTTP/2 without TLS (RFC 9113 §3.3).
    case http2PriorKnowledge

    // QUIC
    /// No QUIC packet with a long header.
    case notQUIC
    case unknownQUICVersion
    /// A packet that only servers send: Version Negotiation or Retry.
    case serverQUICPacket
    case malformedQUICPacket
    /// It was not protected with the Initial keys of its connection, or opens with those of two.
    case undecryptableInitial
    /// A frame that cannot be in an Initial packet, or is cut.
    case malformedQUICFrame
    /// More connections in one flow than are kept apart.
    case tooManyQUICConnections
    /// Several datagrams in one packet whose ends cannot be told.
    case unreadableAggregate
    /// A second ClientHello of a connection has another name.
    case nameChanged

    // The name
    case emptyName
    case nameTooLong
    /// An address in place of a name.
    case addressLiteral
    case trailingDot
    /// A zero byte in the name.
    case zeroByte
    /// Something else than letters, digits, `-`, `_` and single dots.
    case invalidName

    /// snake_case, for logs and metrics.
    public var label: String {
        switch self {
        case .overlapDiffers: "overlap_differs"
        case .tooLarge: "too_large"
        case .tooManyPieces: "too_many_pieces"
        case .unknownStart: "unknown_start"
        case .urgentData: "urgent_data"
        case .timeout: "timeout"
        case .tooManyWaiting: "too_many_waiting"
        case .unknownProtocol: "unknown_protocol"
        case .malformedRecord: "malformed_record"
        case .sslVersion2: "ssl_version_2"
        case .notClientHello: "not_client_hello"
        case .malformedHello: "malformed_hello"
        case .noServerName: "no_server_name"
        case .duplicateServerName: "duplicate_server_name"
        case .malformedRequest: "malformed_request"
        case .foldedHeader: "folded_header"
        case .noHost: "no_host"
        case .duplicateHost: "duplicate_host"
        case .hostMismatch: "host_mismatch"
        case .http2PriorKnowledge: "http2_prior_knowledge"
        case .notQUIC: "not_quic"
        case .unknownQUICVersion: "unknown_quic_version"
        case .serverQUICPacket: "server_quic_packet"
        case .malformedQUICPacket: "malformed_quic_packet"
        case .undecryptableInitial: "undecryptable_initial"
        case .malformedQUICFrame: "malformed_quic_frame"
        case .tooManyQUICConnections: "too_many_quic_connections"
        case .unreadableAggregate: "unreadable_aggregate"
        case .nameChanged: "name_changed"
        case .emptyName: "empty_name"
        case .nameTooLong: "name_too_long"
        case .addressLiteral: "address_literal"
        case .trailingDot: "trailing_dot"
        case .zeroByte: "zero_byte"
        case .invalidName: "invalid_name"
        }
    }
}
