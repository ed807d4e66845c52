import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// The table of docs/threat-model.md: packets that no honest stack sends, towards a destination that policy allows in full. What keeps them back is
    /// therefore never policy.
    @Suite struct HostilePacketTests {
        /// What becomes of the packets of a row.
        enum Fate: Sendable, Hashable {
            /// They are judged like any flow, so they arrive: this many.
            case arrives(Int)
            /// They arrive, in as many pieces as the node makes of them.
            case arrivesInPieces
            /// A rule of the table drops them, and this counter rises.
            case table(String)
            /// The verdict is a drop: malformed, with this fault.
            case malformed(String)
            /// The IP layer of the node drops them before or beside our rules; nothing of ours counts.
            case stack
        }

        struct Row: Sendable {
            let what: String
            let fate: Fate
            let packets: @Sendable (RawPacket.Ends) -> [[UInt8]]

            init(_ what: String, _ fate: Fate, _ packets: @escaping @Sendable (RawPacket.Ends) -> [[UInt8]]) {
                self.what = what
                self.fate = fate
                self.packets = packets
            }
        }

        private static let moreFragments: UInt16 = 0x2000

        static let rows4: [Row] = [
            Row("honest UDP", .arrives(1)) { [RawPacket.v4($0, 17, RawPacket.udp($0))] },
            Row("honest TCP SYN", .arrives(1)) { [RawPacket.v4($0, 6, RawPacket.tcp($0))] },
            Row("a SYN in two fragments, the first of 8 bytes", .arrivesInPieces) { ends in
                let segment = RawPacket.tcp(ends, payload: [])
                return [
                    RawPacket.v4(ends, 6, Array(segment[..<8]), fragment: moreFragments),
                    RawPacket.v4(ends, 6, Array(segment[8...]), fragment: 1),
                ]
            },
            Row("overlapping fragments", .stack) { ends in
                let datagram = RawPacket.udp(ends, payload: Array(repeating: 1, count: 24))
                return [
                    RawPacket.v4(ends, 17, Array(datagram[..<16]), fragment: moreFragments, id: 2),
                    RawPacket.v4(ends, 17, Array(datagram[8...]), fragment: 1, id: 2),
                ]
            },
            Row("a fragment without a beginning", .stack) { [RawPacket.v4($0, 17, RawPacket.udp($0), fragment: 2, id: 3)] },
            Row("a total length beyond the packet", .stack) { [RawPacket.v4($0, 17, RawPacket.udp($0), total: 400)] },
            Row("a header of four words", .stack) { [RawPacket.v4($0, 17, RawPacket.udp($0), headerWords: 4)] },
            Row("a loose source route", .stack) { ends in
                [RawPacket.v4(ends, 17, RawPacket.udp(ends), options: [131, 7, 4] + ends.source.networkBytes + [0])]
            },
            Row("an option that ends behind the header", .stack) { [RawPacket.v4($0, 17, RawPacket.udp($0), options: [68, 40, 5, 0])] },
            Row("a UDP length below its header", .table("ct_invalid")) { [RawPacket.v4($0, 17, RawPacket.udp($0, length: 4))] },
            Row("a UDP length beyond the packet", .table("ct_invalid")) { [RawPacket.v4($0, 17, RawPacket.udp($0, length: 400))] },
            Row("a wrong UDP checksum", .table("ct_invalid")) { [RawPacket.v4($0, 17, RawPacket.udp($0, badChecksum: true))] },
            Row("a TCP header beyond the packet", .table("ct_invalid")) { [RawPacket.v4($0, 6, RawPacket.tcp($0, dataOffset: 15))] },
            Row("a TCP header of four words", .table("ct_invalid")) { [RawPacket.v4($0, 6, RawPacket.tcp($0, dataOffset: 4))] },
            Row("UDP to port 0", .malformed("port_zero")) { [RawPacket.v4($0, 17, RawPacket.udp($0, port: 0))] },
            Row("UDP from port 0", .malformed("port_zero")) { [RawPacket.v4($0, 17, RawPacket.udp($0, sourcePort: 0))] },
            Row("TCP to port 0", .malformed("port_zero")) { [RawPacket.v4($0, 6, RawPacket.tcp($0, port: 0))] },
            Row("TCP without flags", .table("ct_invalid")) { [RawPacket.v4($0, 6, RawPacket.tcp($0, sourcePort: 40_001, flags: 0))] },
            Row("TCP SYN and FIN", .table("ct_invalid")) { [RawPacket.v4($0, 6, RawPacket.tcp($0, sourcePort: 40_002, flags: 0x03))] },
            Row("TCP SYN and RST", .table("ct_invalid")) { [RawPacket.v4($0, 6, RawPacket.tcp($0, sourcePort: 40_003, flags: 0x06))] },
            Row("all TCP flags", .table("ct_invalid")) { [RawPacket.v4($0, 6, RawPacket.tcp($0, sourcePort: 40_004, flags: 0x3f))] },
            Row("TCP without SYN, as a new flow", .arrives(1)) {
                [RawPacket.v4($0, 6, RawPacket.tcp($0, sourcePort: 40_005, flags: 0x10))]
            },
            Row("a SYN with data (TCP Fast Open), as a new flow", .arrives(1)) { ends in
                let segment = RawPacket.tcp(
                    ends, sourcePort: 40_006, options: [34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1], payload: Array("GET /".utf8))
                return [RawPacket.v4(ends, 6, segment)]
            },
            Row("SCTP, as policy says", .arrives(1)) { [RawPacket.v4($0, 132, RawPacket.sctp($0))] },
            Row("GRE, as policy says", .arrives(1)) { [RawPacket.v4($0, 47, [0, 0, 0x08, 0, 0x45, 0, 0, 0])] },
            Row("protocol 253, as policy says", .arrives(1)) { [RawPacket.v4($0, 253, [1, 2, 3, 4])] },
            Row("IP in IP", .table("encapsulation")) { [RawPacket.v4($0, 4, RawPacket.v4($0, 17, RawPacket.udp($0)))] },
            Row("VXLAN", .table("encapsulation")) { [RawPacket.v4($0, 17, RawPacket.udp($0, port: 4_789))] },
            Row("an ICMP error about a flow that there is not", .table("ct_invalid")) { ends in
                let quoted = RawPacket.v4(ends.reversed, 17, RawPacket.udp(ends.reversed, port: 4_444, sourcePort: 5_555))
                return [RawPacket.v4(ends, 1, RawPacket.icmpError(ends, about: quoted))]
            },
            Row("the source of nobody", .table("unknown_endpoint")) { ends in
                let forged = RawPacket.Ends(source: IPAddress(v4: 0x0a41_0063), destination: ends.destination)
                return [RawPacket.v4(forged, 17, RawPacket.udp(forged))]
            },
            Row("a multicast source", .table("unknown_endpoint")) { ends in
                let forged = RawPacket.Ends(source: IPAddress(v4: 0xe000_0001), destination: ends.destination)
                return [RawPacket.v4(forged, 17, RawPacket.udp(forged))]
            },
            Row("the destination's own source", .table("unknown_endpoint")) { ends in
                let forged = RawPacket.Ends(source: ends.destination, destination: ends.destination)
                return [RawPacket.v4(forged, 6, RawPacket.tcp(forged))]
            },
        ]

        static let rows6: [Row] = [
            Row("honest UDP", .arrives(1)) { [RawPacket.v6($0, 17, RawPacket.udp($0))] },
            Row("hop-by-hop options", .arrives(1)) { [RawPacket.v6($0, 0, RawPacket.options(17) + RawPacket.udp($0, sourcePort: 40_001))] },
            Row("destination options", .arrives(1)) {
                [RawPacket.v6($0, 60, RawPacket.options(17) + RawPacket.udp($0, sourcePort: 40_002))]
            },
            Row("a routing header without further stops", .arrives(1)) { ends in
                let header = RawPacket.routing(17, segmentsLeft: 0, stop: ends.source)
                return [RawPacket.v6(ends, 43, header + RawPacket.udp(ends, sourcePort: 40_003))]
            },
            Row("a routing header with a further stop", .malformed("source_route")) { ends in
                let header = RawPacket.routing(17, segmentsLeft: 1, stop: ends.source)
                return [RawPacket.v6(ends, 43, header + RawPacket.udp(ends, sourcePort: 40_004))]
            },
            Row("nine extension headers", .malformed("too_many_extension_headers")) { ends in
                let headers = Array(repeating: RawPacket.options(60), count: 8).flatMap { $0 } + RawPacket.options(17)
                return [RawPacket.v6(ends, 60, headers + RawPacket.udp(ends, sourcePort: 40_005))]
            },
            Row("a datagram in two fragments, the first of 8 bytes", .arrivesInPieces) { ends in
                let datagram = RawPacket.udp(ends, sourcePort: 40_006, payload: Array(repeating: 1, count: 16))
                return [
                    RawPacket.v6(ends, 44, RawPacket.fragment(17, 1, id: 1) + datagram[..<8]),
                    RawPacket.v6(ends, 44, RawPacket.fragment(17, 8, id: 1) + datagram[8...]),
                ]
            },
            Row("overlapping fragments", .stack) { ends in
                let datagram = RawPacket.udp(ends, sourcePort: 40_007, payload: Array(repeating: 1, count: 24))
                return [
                    RawPacket.v6(ends, 44, RawPacket.fragment(17, 1, id: 2) + datagram[..<16]),
                    RawPacket.v6(ends, 44, RawPacket.fragment(17, 8, id: 2) + datagram[8...]),
                ]
            },
            Row("a fragment with an offset and no beginning", .stack) { ends in
                [RawPacket.v6(ends, 44, RawPacket.fragment(17, 16, id: 3) + RawPacket.udp(ends))]
            },
            Row("a fragment header around a whole packet, which conntrack takes off", .arrives(1)) { ends in
                [RawPacket.v6(ends, 44, RawPacket.fragment(17, 0, id: 4) + RawPacket.udp(ends, sourcePort: 40_008))]
            },
            Row("an unknown next header, as policy says", .arrives(1)) { [RawPacket.v6($0, 253, [1, 2, 3, 4])] },
            Row("a payload length beyond the packet", .stack) { [RawPacket.v6($0, 17, RawPacket.udp($0), length: 400)] },
            Row("an extension header beyond the packet", .table("ct_invalid")) { ends in
                [RawPacket.v6(ends, 60, [17, 9, 1, 4, 0, 0, 0, 0])]
            },
            Row("IPv4 in IPv6", .table("encapsulation")) { ends in
                let inner = RawPacket.Ends(source: IPAddress(v4: 0x0a41_0002), destination: IPAddress(v4: 0xcb00_7142))
                return [RawPacket.v6(ends, 4, RawPacket.v4(inner, 17, RawPacket.udp(inner)))]
            },
            Row("an ICMPv6 error about a flow that there is not", .table("ct_invalid")) { ends in
                let quoted = RawPacket.v6(ends.reversed, 17, RawPacket.udp(ends.reversed, port: 4_444, sourcePort: 5_555))
                return [RawPacket.v6(ends, 58, RawPacket.icmpError(ends, about: quoted))]
            },
            Row("the source of nobody", .table("unknown_endpoint")) { ends in
                let forged = RawPacket.Ends(
                    source: IPAddress(v6Upper: 0xfd00_0065_0000_0000, lower: 0x99), destination: ends.destination)
                return [RawPacket.v6(forged, 17, RawPacket.udp(forged))]
            },
        ]

        /// Everything to one destination of each family, and nothing else.
        private static let policy = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: wide}
            spec:
              types: [Egress]
              egress:
                - {action: Allow, destination: {nets: ["203.0.113.66/32"]}}
                - {action: Allow, destination: {nets: ["2001:db8:2::66/128"]}}
            """

        private static func counters(_ node: RunningNode) throws -> [String: Int] {
            let text = try node.lab.node.run(["nft", "list counters table inet exeat"]).stdout
            var counters: [String: Int] = [:]
            for match in text.matches(of: /counter (\w+) \{\s+packets ([0-9]+)/) { counters[String(match.1)] = Int(match.2) }
            return counters
        }

        @Test func `every hostile packet has the fate that the threat model names, and what is allowed with it arrives`() throws {
            let node = try RunningNode(policies: ["wide.yaml": Self.policy])
            defer { node.stop() }
            let pod = try node.pod("pod-a")
            for (rows, destination) in [(Self.rows4, "203.0.113.66"), (Self.rows6, "2001:db8:2::66")] {
                let target = try #require(IPAddress(parsing: destination))
                let source = try #require(pod.addresses.first { $0.family == target.family })
                let ends = RawPacket.Ends(source: source, destination: target)
                let witness = try Witness(in: node.lab, to: target)
                for row in rows {
                    let packets = row.packets(ends)
                    let (arrived, refused, metrics) = (try witness.packets(), try Self.counters(node), try node.metrics())
                    try pod.namespace.withThread { try RawPacket.send(packets) }
                    func rise(_ counter: String) throws -> Int { (try Self.counters(node)[counter] ?? 0) - (refused[counter] ?? 0) }
                    func malformed(_ fault: String) throws -> Double {
                        let sample = "exeat_malformed_packets_total{fault=\"\(fault)\"}"
                        return try node.metrics()[sample] - metrics[sample]
                    }
                    let what = "\(row.what) (\(target.family))"
                    switch row.fate {
                    case .arrives(let count):
                        try Stopwatch.wait("\(what) arrives", seconds: 3) { try witness.packets() >= arrived + count }
                    case .arrivesInPieces:
                        try Stopwatch.wait("\(what) arrives", seconds: 3) { try witness.packets() > arrived }
                        Thread.sleep(forTimeInterval: 0.1)
                    case .table(let counter):
                        try Stopwatch.wait("\(what) is counted as \(counter)", seconds: 3) { try rise(counter) == packets.count }
                    case .malformed(let fault):
                        try Stopwatch.wait("\(what) is counted as \(fault)", seconds: 3) { try malformed(fault) == Double(packets.count) }
                    case .stack:
                        Thread.sleep(forTimeInterval: 0.05)
                    }
                    let expected = if case .arrives(let count) = row.fate { count } else { 0 }
                    if row.fate != .arrivesInPieces { #expect(try witness.packets() == arrived + expected, "\(what)") }
                    // Nothing is counted under another reason.
                    let now = try Self.counters(node)
                    for (counter, value) in now where row.fate != .table(counter) && !counter.hasPrefix("lease") {
                        #expect(value == refused[counter] ?? 0, "\(what): \(counter)")
                    }
                }
            }
        }
    }
}
