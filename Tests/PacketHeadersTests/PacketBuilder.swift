/// Packets by hand, with addresses of RFC 5737 and RFC 3849. Checksums stay 0: nobody here looks at them.
enum PacketBuilder {
    static let sourceV4: [UInt8] = [192, 0, 2, 1]
    static let destinationV4: [UInt8] = [198, 51, 100, 1]
    static let sourceV6: [UInt8] = [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1]
    static let destinationV6: [UInt8] = [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [2]

    static func two(_ value: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)] }

    /// `options` must be a multiple of 4 bytes; `total` is right unless given.
    static func v4(
        _ transport: UInt8, _ payload: [UInt8], options: [UInt8] = [], total: Int? = nil, fragment: Int = 0, source: [UInt8] = sourceV4
    ) -> [UInt8] {
        let headerBytes = 20 + options.count
        var bytes: [UInt8] = [0x40 | UInt8(headerBytes / 4), 0]
        bytes += two(total ?? headerBytes + payload.count) + [0x12, 0x34] + two(fragment)
        bytes += [64, transport, 0, 0] + source + destinationV4 + options + payload
        return bytes
    }

    /// `rest` begins with the first extension header or the transport header; `length` is right unless given.
    static func v6(_ next: UInt8, _ rest: [UInt8], length: Int? = nil, source: [UInt8] = sourceV6) -> [UInt8] {
        [0x60, 0, 0, 0] + two(length ?? rest.count) + [next, 64] + source + destinationV6 + rest
    }

    /// An extension header of `units` x 8 bytes.
    static func header(next: UInt8, units: Int = 1, third: UInt8 = 0, fourth: UInt8 = 0) -> [UInt8] {
        [next, UInt8(units - 1), third, fourth] + [UInt8](repeating: 0, count: units * 8 - 4)
    }

    static func tcp(flags: UInt8 = 0x02, offset: UInt8 = 5, options: [UInt8] = [], ports: (Int, Int) = (40_000, 443)) -> [UInt8] {
        two(ports.0) + two(ports.1) + [0, 0, 0, 1, 0, 0, 0, 0, offset << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0] + options
    }

    static func udp(_ payload: [UInt8] = [0xaa], length: Int? = nil, ports: (Int, Int) = (40_000, 53)) -> [UInt8] {
        two(ports.0) + two(ports.1) + two(length ?? 8 + payload.count) + [0, 0] + payload
    }

    static func sctp(ports: (Int, Int) = (40_000, 3_000)) -> [UInt8] { two(ports.0) + two(ports.1) + [UInt8](repeating: 0, count: 8) }

    static func icmp(_ type: UInt8, _ code: UInt8) -> [UInt8] { [type, code, 0, 0, 0, 0, 0, 0] }
}
