import NetworkTypes
import PacketHeaders
import Testing

struct HeaderTableTests {
    typealias Build = PacketBuilder

    struct Good: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let packet: [UInt8]
        let transport: UInt8
        var ports: [UInt16] = [0, 0]
        var flags: UInt8 = 0
        var icmp: [UInt8] = [0, 0]
        let transportOffset: Int
        let payloadOffset: Int

        init(
            _ text: String, _ packet: [UInt8], _ transport: UInt8, _ ports: [UInt16] = [0, 0], flags: UInt8 = 0, icmp: [UInt8] = [0, 0],
            at offsets: (Int, Int)
        ) {
            testDescription = text
            self.packet = packet
            self.transport = transport
            self.ports = ports
            self.flags = flags
            self.icmp = icmp
            (transportOffset, payloadOffset) = offsets
        }
    }

    static let web: [UInt16] = [40_000, 443]
    static let name: [UInt16] = [40_000, 53]
    static let mss: [UInt8] = [2, 4, 5, 0xb4]

    /// So many extension headers, each followed by destination options.
    static func options(_ count: Int) -> [UInt8] { (0..<count).flatMap { _ in Build.header(next: 60) } }

    static let good: [Good] = [
        Good("IPv4 SYN", Build.v4(6, Build.tcp()), 6, web, flags: 2, at: (20, 40)),
        Good("IPv4 SYN with TCP options", Build.v4(6, Build.tcp(offset: 6, options: mss)), 6, web, flags: 2, at: (20, 44)),
        Good("IPv4 SYN with PSH, ECN bits not shown", Build.v4(6, Build.tcp(flags: 0xca)), 6, web, flags: 0x0a, at: (20, 40)),
        Good("IPv4 FIN", Build.v4(6, Build.tcp(flags: 0x11)), 6, web, flags: 0x11, at: (20, 40)),
        Good("IPv4 RST", Build.v4(6, Build.tcp(flags: 0x04)), 6, web, flags: 4, at: (20, 40)),
        Good("IPv4 options in front of UDP", Build.v4(17, Build.udp(), options: [1, 0x94, 4, 0, 0, 0, 0, 0]), 17, name, at: (28, 36)),
        Good("IPv4 60-byte header", Build.v4(17, Build.udp(), options: [UInt8](repeating: 1, count: 40)), 17, name, at: (60, 68)),
        Good("IPv4 UDP without data", Build.v4(17, Build.udp([])), 17, name, at: (20, 28)),
        Good("IPv4 UDP-Lite", Build.v4(136, Build.udp()), 136, name, at: (20, 28)),
        Good("IPv4 SCTP", Build.v4(132, Build.sctp()), 132, [40_000, 3_000], at: (20, 32)),
        Good("IPv4 ping", Build.v4(1, Build.icmp(8, 0)), 1, icmp: [8, 0], at: (20, 24)),
        Good("IPv4 unreachable", Build.v4(1, Build.icmp(3, 13)), 1, icmp: [3, 13], at: (20, 24)),
        Good("IPv4 GRE is opaque", Build.v4(47, [0, 0, 0, 0]), 47, at: (20, 20)),
        Good("IPv4 ESP is opaque", Build.v4(50, [1, 2, 3, 4]), 50, at: (20, 20)),
        Good("IPv4 don't fragment", Build.v4(6, Build.tcp(), fragment: 0x4000), 6, web, flags: 2, at: (20, 40)),
        Good(
            "IPv4 GSO, longer than what was copied", Build.v4(6, Build.tcp(flags: 0x10), total: 65_535), 6, web, flags: 0x10, at: (20, 40)),
        Good("IPv4 BIG TCP", Build.v4(6, Build.tcp(flags: 0x10), total: 0), 6, web, flags: 0x10, at: (20, 40)),
        Good("IPv4 UDP GSO", Build.v4(17, Build.udp(length: 60_000), total: 60_020), 17, name, at: (20, 28)),
        Good("IPv6 SYN", Build.v6(6, Build.tcp()), 6, web, flags: 2, at: (40, 60)),
        Good("IPv6 UDP", Build.v6(17, Build.udp()), 17, name, at: (40, 48)),
        Good("IPv6 ping", Build.v6(58, Build.icmp(128, 0)), 58, icmp: [128, 0], at: (40, 44)),
        Good("IPv6 SCTP", Build.v6(132, Build.sctp()), 132, [40_000, 3_000], at: (40, 52)),
        Good("IPv6 GSO", Build.v6(6, Build.tcp(flags: 0x10), length: 65_535), 6, web, flags: 0x10, at: (40, 60)),
        Good("IPv6 BIG TCP", Build.v6(6, Build.tcp(flags: 0x18), length: 0), 6, web, flags: 0x18, at: (40, 60)),
        Good(
            "IPv6 BIG TCP with a jumbo option", Build.v6(0, [6, 0, 0xc2, 4, 0, 1, 0x11, 0x70] + Build.tcp(flags: 0x10), length: 0), 6, web,
            flags: 0x10, at: (48, 68)),
        Good("IPv6 hop-by-hop", Build.v6(0, Build.header(next: 6) + Build.tcp()), 6, web, flags: 2, at: (48, 68)),
        Good("IPv6 destination options of 24 bytes", Build.v6(60, Build.header(next: 17, units: 3) + Build.udp()), 17, name, at: (64, 72)),
        Good("IPv6 routing header at its end", Build.v6(43, Build.header(next: 17, third: 4) + Build.udp()), 17, name, at: (48, 56)),
        Good(
            "IPv6 authentication header", Build.v6(51, [17, 4] + [UInt8](repeating: 0, count: 22) + Build.udp()), 17, name, at: (64, 72)),
        Good(
            "IPv6 eight extension headers",
            Build.v6(0, options(7) + Build.header(next: 6) + Build.tcp()), 6, web,
            flags: 2, at: (104, 124)),
        Good("IPv6 ESP is opaque", Build.v6(50, [1, 2, 3, 4]), 50, at: (40, 40)),
        Good("IPv6 no next header", Build.v6(59, []), 59, at: (40, 40)),
        Good("IPv6 no next header behind options", Build.v6(60, Build.header(next: 59)), 59, at: (48, 48)),
        Good("IPv6 mobility header is opaque", Build.v6(135, Build.header(next: 6) + Build.tcp()), 135, at: (40, 40)),
        Good("IPv6 protocol 253 is opaque", Build.v6(253, [1]), 253, at: (40, 40)),
    ]

    @Test(arguments: good)
    func `what policy needs is read`(row: Good) throws {
        let headers = try PacketHeaders(parsing: row.packet.span)
        let isV4 = row.packet[0] >> 4 == 4
        #expect(headers.source == IPAddress(parsing: isV4 ? "192.0.2.1" : "2001:db8::1"))
        #expect(headers.destination == IPAddress(parsing: isV4 ? "198.51.100.1" : "2001:db8::2"))
        #expect(headers.transport.rawValue == row.transport)
        #expect([headers.sourcePort, headers.destinationPort] == row.ports)
        #expect(headers.tcpFlags == row.flags)
        #expect([headers.icmpType, headers.icmpCode] == row.icmp)
        #expect(headers.transportOffset == row.transportOffset)
        #expect(headers.payloadOffset == row.payloadOffset)
    }

    /// Every shorter piece of a good packet is a truncated header until the headers are whole.
    @Test(arguments: good)
    func `a packet cut inside its headers is refused, behind them it is not`(row: Good) {
        for count in 0..<row.packet.count {
            let piece = Array(row.packet[..<count])
            do {
                let headers = try PacketHeaders(parsing: piece.span)
                #expect(count >= row.payloadOffset, "\(count) bytes")
                #expect(headers.payloadOffset == row.payloadOffset)
            } catch {
                #expect(error == (count == 0 ? .empty : .truncatedHeader), "\(count) bytes: \(error)")
                #expect(count < row.payloadOffset)
            }
        }
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let packet: [UInt8]
        let error: PacketError

        init(_ text: String, _ packet: [UInt8], _ error: PacketError) {
            testDescription = text
            self.packet = packet
            self.error = error
        }
    }

    static let bad: [Bad] = [
        Bad("nothing", [], .empty),
        Bad("version 5", [0x55] + [UInt8](repeating: 0, count: 59), .unknownVersion),
        Bad("version 0", [UInt8](repeating: 0, count: 60), .unknownVersion),
        Bad("IPv4 header length 16", [0x44] + Build.v4(6, Build.tcp()).dropFirst(), .badHeaderLength),
        Bad("IPv4 total length inside the IP header", Build.v4(6, Build.tcp(), total: 19), .lyingLength),
        Bad("IPv4 total length inside the TCP header", Build.v4(6, Build.tcp(), total: 39), .lyingLength),
        Bad("IPv4 total length inside the TCP options", Build.v4(6, Build.tcp(offset: 6, options: mss), total: 43), .lyingLength),
        Bad("IPv4 total length inside the UDP header", Build.v4(17, Build.udp(), total: 27), .lyingLength),
        Bad("IPv4 total length 0 of UDP", Build.v4(17, Build.udp(), total: 0), .lyingLength),
        Bad("IPv4 total length 0 of a SYN", Build.v4(6, Build.tcp(), total: 0), .lyingLength),
        Bad("IPv4 total length 0 of GRE", Build.v4(47, [0, 0, 0, 0], total: 0), .lyingLength),
        Bad("IPv4 first fragment", Build.v4(17, Build.udp(), fragment: 0x2000), .fragment),
        Bad("IPv4 last fragment", Build.v4(17, Build.udp(), fragment: 0x0010), .fragment),
        Bad("IPv4 loose source route", Build.v4(6, Build.tcp(), options: [131, 7, 4, 203, 0, 113, 1, 0]), .sourceRoute),
        Bad("IPv4 strict source route behind a no-op", Build.v4(6, Build.tcp(), options: [1, 137, 7, 4, 203, 0, 113, 1]), .sourceRoute),
        Bad("IPv4 option of length 0", Build.v4(6, Build.tcp(), options: [0x94, 0, 0, 0]), .badOption),
        Bad("IPv4 option of length 1", Build.v4(6, Build.tcp(), options: [0x94, 1, 0, 0]), .badOption),
        Bad("IPv4 option beyond the header", Build.v4(6, Build.tcp(), options: [0x94, 5, 0, 0]), .badOption),
        Bad("IPv4 option without a length", Build.v4(6, Build.tcp(), options: [1, 1, 1, 0x94]), .badOption),
        Bad("IPv4 multicast source", Build.v4(17, Build.udp(), source: [224, 0, 0, 1]), .illegalSource),
        Bad("IPv4 broadcast source", Build.v4(17, Build.udp(), source: [255, 255, 255, 255]), .illegalSource),
        Bad("IPv4 unspecified source", Build.v4(17, Build.udp(), source: [0, 0, 0, 0]), .illegalSource),
        Bad("TCP data offset 4", Build.v4(6, Build.tcp(offset: 4)), .badHeaderLength),
        Bad("TCP data offset beyond the packet", Build.v4(6, Build.tcp(offset: 15)), .lyingLength),
        Bad("TCP data offset beyond what was copied", Build.v4(6, Build.tcp(offset: 15), total: 1_500), .truncatedHeader),
        Bad("TCP without flags", Build.v4(6, Build.tcp(flags: 0)), .illegalTCPFlags),
        Bad("TCP with ECN flags alone", Build.v4(6, Build.tcp(flags: 0xc0)), .illegalTCPFlags),
        Bad("TCP SYN and FIN", Build.v4(6, Build.tcp(flags: 0x03)), .illegalTCPFlags),
        Bad("TCP SYN and RST", Build.v4(6, Build.tcp(flags: 0x06)), .illegalTCPFlags),
        Bad("TCP all flags", Build.v6(6, Build.tcp(flags: 0xff)), .illegalTCPFlags),
        Bad("TCP source port 0", Build.v4(6, Build.tcp(ports: (0, 443))), .portZero),
        Bad("TCP destination port 0", Build.v6(6, Build.tcp(ports: (40_000, 0))), .portZero),
        Bad("UDP destination port 0", Build.v4(17, Build.udp(ports: (40_000, 0))), .portZero),
        Bad("UDP source port 0", Build.v4(17, Build.udp(ports: (0, 53))), .portZero),
        Bad("SCTP port 0", Build.v4(132, Build.sctp(ports: (40_000, 0))), .portZero),
        Bad("UDP length 7", Build.v4(17, Build.udp(length: 7)), .lyingLength),
        Bad("IPv6 payload length inside the TCP header", Build.v6(6, Build.tcp(), length: 19), .lyingLength),
        Bad("IPv6 payload length 0 of UDP", Build.v6(17, Build.udp(), length: 0), .lyingLength),
        Bad("IPv6 payload length 0 of a SYN", Build.v6(6, Build.tcp(), length: 0), .lyingLength),
        Bad("IPv6 payload length inside an extension header", Build.v6(0, Build.header(next: 6) + Build.tcp(), length: 7), .lyingLength),
        Bad("IPv6 fragment", Build.v6(44, Build.header(next: 17) + Build.udp()), .fragment),
        Bad("IPv6 fragment behind options", Build.v6(0, Build.header(next: 44) + Build.header(next: 17) + Build.udp()), .fragment),
        Bad(
            "IPv6 routing header with segments left", Build.v6(43, Build.header(next: 17, third: 4, fourth: 1) + Build.udp()), .sourceRoute),
        Bad(
            "IPv6 authentication header of 8 bytes", Build.v6(51, [17, 0] + [UInt8](repeating: 0, count: 10) + Build.udp()),
            .badHeaderLength),
        Bad(
            "IPv6 nine extension headers", Build.v6(0, options(8) + Build.header(next: 6) + Build.tcp()),
            .tooManyExtensionHeaders),
        Bad("IPv6 extension header beyond the packet", Build.v6(60, [6, 200] + [UInt8](repeating: 0, count: 6)), .lyingLength),
        Bad(
            "IPv6 extension header beyond what was copied", Build.v6(60, [6, 200] + [UInt8](repeating: 0, count: 6), length: 2_000),
            .truncatedHeader),
        Bad("IPv6 multicast source", Build.v6(17, Build.udp(), source: [0xff, 2] + [UInt8](repeating: 0, count: 14)), .illegalSource),
        Bad("IPv6 unspecified source", Build.v6(17, Build.udp(), source: [UInt8](repeating: 0, count: 16)), .illegalSource),
    ]

    @Test(arguments: bad)
    func `a packet that cannot be judged gives its reason`(row: Bad) {
        #expect(throws: row.error) { try PacketHeaders(parsing: row.packet.span) }
    }

    @Test func `every reason has a row and a label of its own`() {
        let labels = PacketError.allCases.map(\.label)
        #expect(Set(labels).count == labels.count)
        for label in labels {
            let isSnakeCase = label.utf8.allSatisfy { (97...122).contains($0) || $0 == 95 }
            #expect(isSnakeCase, "\(label)")
        }
        let shown = Set(Self.bad.map(\.error)).union([.truncatedHeader])
        #expect(Set(PacketError.allCases) == shown)
    }
}
