/// A ClientHello as the connections of a measurement send it: TLS 1.3 with the name and little else.
enum ClientHello {
    /// One TLS record (RFC 8446 §4.1.2, §5.1) with the extensions server_name (RFC 6066 §3), supported_versions and supported_groups.
    static func bytes(name: String) -> [UInt8] {
        let host = Array(name.utf8)
        let serverName = two(host.count + 3) + [0] + two(host.count) + host
        let extensions = field(0, serverName) + field(43, [2, 3, 4]) + field(10, [0, 2, 0, 29])
        let body =
            [3, 3] + (0..<32).map { UInt8($0) }  // legacy_version, random
            + [0] + [0, 2, 0x13, 0x01] + [1, 0]  // no session id, TLS_AES_128_GCM_SHA256, no compression
            + two(extensions.count) + extensions
        let handshake = [1, 0] + two(body.count) + body
        return [22, 3, 1] + two(handshake.count) + handshake
    }

    private static func field(_ type: Int, _ value: [UInt8]) -> [UInt8] { two(type) + two(value.count) + value }

    private static func two(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }
}
