/// The versions of QUIC whose Initial packets can be read, with what differs between them.
enum QUICVersion: UInt32, CaseIterable, Sendable {
    /// RFC 9000 and 9001.
    case v1 = 1
    /// RFC 9369.
    case v2 = 0x6b33_43cf

    /// Of the Initial secrets: RFC 9001 §5.2, RFC 9369 §3.3.1.
    var salt: [UInt8] {
        switch self {
        case .v1:
            [
                0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
            ]
        case .v2:
            [
                0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
            ]
        }
    }

    /// In front of `key`, `iv` and `hp`: RFC 9001 §5.1, RFC 9369 §3.3.2.
    var labelPrefix: String {
        switch self {
        case .v1: "quic "
        case .v2: "quicv2 "
        }
    }

    /// What the two type bits of a long header mean: RFC 9000 §17.2, RFC 9369 §3.2.
    func packetType(_ bits: UInt8) -> QUICLongHeader.PacketType {
        switch (self, bits & 3) {
        case (.v1, 0), (.v2, 1): .initial
        case (.v1, 1), (.v2, 2): .zeroRTT
        case (.v1, 2), (.v2, 3): .handshake
        default: .retry
        }
    }
}
