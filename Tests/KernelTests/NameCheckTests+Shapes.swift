import DemoNetwork
import Foundation
import NetworkTypes
import Testing

/// A hello, or what pretends to be one, in segments that a test writes itself.
private struct Shape: Sendable {
    typealias Piece = (Int, [UInt8])

    let title: String
    let port: UInt16
    let pieces: [Piece]
    var trick = ScriptedConnection.Trick()
    /// The fault in the flow log; empty: another name; nil: it passes. "any" stands for any fault.
    let fault: String?

    init(_ title: String, port: UInt16 = 443, _ pieces: [Piece], _ trick: ScriptedConnection.Trick = .init(), refused fault: String? = nil)
    {
        self.title = title
        self.port = port
        self.pieces = pieces
        self.trick = trick
        self.fault = fault
    }

    static let good = HelloBuilder("api.shared.test")
    static let bad = HelloBuilder("evil.shared.test")

    static func request(_ host: String, _ more: String = "") -> [UInt8] {
        Array("GET / HTTP/1.1\r\n\(more)Host: \(host)\r\nConnection: close\r\n\r\n".utf8)
    }

    /// In segments of at most so many bytes.
    static func cut(_ bytes: [UInt8], _ size: Int) -> [Piece] {
        stride(from: 0, to: bytes.count, by: size).map { ($0, Array(bytes[$0..<min(bytes.count, $0 + size)])) }
    }

    /// Cut in the middle of the name.
    static func cutInName(_ bytes: [UInt8]) -> [Piece] {
        let name = Array("shared".utf8)
        let place = bytes.indices.first { bytes[$0...].starts(with: name) } ?? bytes.count / 2
        return [(0, Array(bytes[..<(place + 2)])), (place + 2, Array(bytes[(place + 2)...]))]
    }

    static var all: [Shape] {
        let large = good.postQuantum().records()
        let prefix = Array("GET / HTTP/1.1\r\nHost: evil.shared.test\r\nX: ".utf8)
        let whole = good.records()
        let long = request("api.shared.test", "X: \(String(repeating: "a", count: 20_000))\r\n")
        // One statement each: the compiler takes its time over large literals.
        var shapes: [Shape] = []
        shapes.append(Shape("a TLS hello", [(0, whole)]))
        shapes.append(Shape("another name", [(0, bad.records())], refused: ""))
        shapes.append(Shape("many TLS records", [(0, good.records(of: 17))]))
        shapes.append(Shape("many TLS records, each in a segment", cut(good.records(of: 17), 22)))
        shapes.append(Shape("another name in many TLS records", cut(bad.records(of: 17), 22), refused: ""))
        shapes.append(Shape("a post-quantum hello", cut(large, 1_400)))
        shapes.append(Shape("a post-quantum hello, backwards", cut(large, 1_400).reversed()))
        shapes.append(Shape("a post-quantum hello with another name", cut(bad.postQuantum().records(), 1_400), refused: ""))
        shapes.append(Shape("cut within the name", cutInName(whole)))
        shapes.append(Shape("another name, cut within", cutInName(bad.records()), refused: ""))
        shapes.append(Shape("a gap that a retransmission of all fills", [(60, Array(whole[60...])), (0, whole)]))
        shapes.append(
            Shape(
                "a gap, filled with another name",
                [(0, Array(bad.records()[..<20])), (60, Array(bad.records()[60...])), (0, bad.records())], refused: ""))
        shapes.append(Shape("an address for a name", [(0, HelloBuilder("192.0.2.10").records())], refused: "address_literal"))
        shapes.append(Shape("no name", [(0, HelloBuilder().with(0x2b, [2, 3, 4]).records())], refused: "no_server_name"))
        shapes.append(
            Shape("an encrypted hello with a good outer name", [(0, good.with(0xfe0d, [UInt8](repeating: 3, count: 120)).records())]))
        shapes.append(
            Shape(
                "an encrypted hello with another outer name", [(0, bad.with(0xfe0d, [UInt8](repeating: 3, count: 120)).records())],
                refused: ""))
        shapes.append(
            Shape(
                "a hello beyond 16 KiB", cut(good.with(0x15, [UInt8](repeating: 0, count: 17_000)).records(), 1_400), refused: "too_large"))
        shapes.append(
            Shape(
                "the same segment for ever", [(0, Array(whole[..<40]))] + Array(repeating: (0, Array(whole[..<40])), count: 20),
                refused: "timeout"))
        shapes.append(Shape("a request", port: 80, [(0, request("api.shared.test"))]))
        shapes.append(Shape("a request, cut within the name", port: 80, cutInName(request("api.shared.test"))))
        shapes.append(Shape("a request beyond 16 KiB", port: 80, cut(long, 1_400), refused: "too_large"))
        shapes.append(Shape("a request for an address", port: 80, [(0, request("192.0.2.10"))], refused: "address_literal"))
        shapes.append(Shape("neither TLS nor HTTP", port: 80, [(0, Array("\u{1}hello".utf8))], refused: "unknown_protocol"))
        shapes.append(Shape("data with FIN", port: 80, [(0, request("evil.shared.test"))], .init(flags: 0x19), refused: ""))
        shapes.append(Shape("urgent data", port: 80, [(0, request("api.shared.test"))], .init(flags: 0x38), refused: "urgent_data"))
        shapes.append(
            Shape(
                "an urgent pointer ahead of the data", port: 80, [(0, request("api.shared.test"))], .init(urgent: 9), refused: "urgent_data"
            ))
        shapes.append(
            Shape(
                "data in the SYN, and again behind it", port: 80, [(0, request("api.shared.test"))],
                .init(opening: request("api.shared.test"))))
        shapes.append(
            Shape(
                "a good name in the SYN, another behind it", port: 80, [(0, request("evil.shared.test"))],
                .init(opening: request("api.shared.test")), refused: ""))
        shapes.append(
            Shape(
                "a second SYN beyond the first name", port: 80, [(0, prefix + request("api.shared.test"))],
                .init(rival: UInt32(prefix.count)), refused: "any"))
        return shapes
    }
}

extension KernelSuites.NameCheckTests {
    @Test func `every shape of a hello is decided right, and nothing of a refused one reaches the far side`() throws {
        let node = try Self.node("require")
        defer { node.stop() }
        let address = try #require(IPAddress(parsing: Self.address))
        let witness = try Witness(in: node.lab, everyByteTo: address)
        let pod = try node.pod("pod-a")
        var port: UInt16 = 42_000
        for shape in Shape.all {
            port += 1
            let before = try witness.packets()
            let connection = try ScriptedConnection(in: pod, to: address, port: shape.port, from: port)
            let answer = try connection.send(shape.pieces, shape.trick, waitMilliseconds: 8_000)
            guard let fault = shape.fault else {
                #expect(answer == .data, "\(shape.title)")
                #expect(try witness.packets() > before, "\(shape.title)")
                continue
            }
            #expect(answer == .reset, "\(shape.title)")
            #expect(try witness.packets() == before, "\(shape.title): a byte at the far side")
            let source = port
            let flow = try node.flow("pod-a", to: Self.address) { $0.sourcePort == Int(source) && $0.nameCheck != nil }
            #expect(flow.nameCheck == (fault.isEmpty ? "mismatch" : "unreadable"), "\(shape.title)")
            if !fault.isEmpty, fault != "any" { #expect(flow.detail == fault, "\(shape.title)") }
        }
        #expect(try node.metrics()["exeat_name_check_waiting_packets"] == 0)
    }

    @Test func `a policy that changes while packets wait decides them`() throws {
        for (domains, isGood) in [(["sibling.shared.test"], false), (["api.shared.test", "more.example.org"], true)] {
            let node = try Self.node("require")
            defer { node.stop() }
            let address = try #require(IPAddress(parsing: Self.address))
            let witness = try Witness(in: node.lab, everyByteTo: address)
            let pod = try node.pod("pod-a")
            let connection = try ScriptedConnection(in: pod, to: address, port: 443, from: 43_000)
            let (isReached, goOn) = (StopFlag(), StopFlag())
            let thread = try pod.namespace.startThread {
                try connection.send(Shape.cutInName(Shape.good.records()), .init(pause: (isReached, goOn)), waitMilliseconds: 4_000)
            }
            try Stopwatch.wait("the first half waits") { isReached.isSet }
            try Stopwatch.wait("it is counted") { try node.metrics()["exeat_name_check_waiting_packets"] == 1 }
            try node.afterReload { try node.write(policy: "shop.yaml", Self.policy("require", domains)) }
            #expect(try witness.packets() == 0)
            goOn.set()
            #expect(try thread.join() == (isGood ? .data : .reset), "\(domains)")
            #expect(try (witness.packets() > 0) == isGood, "\(domains)")
        }
    }

    @Test func `a responder that speaks first is cut with require and goes on with observe`() throws {
        for (value, isGood) in [("require", false), ("observe", true)] {
            let node = try RunningNode(
                zones: Self.zones, policies: ["shop.yaml": Self.policy(value, ports: "tcp:7000"), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.resolve("api.shared.test", from: "pod-a")
            let address = try #require(IPAddress(parsing: Self.address))
            let server = try PushServer(in: node.lab.internet, address, port: RunningNode.echoPort, isDatagram: false, every: 0.05)
            defer { try? server.stop() }
            let witness = try Witness(in: node.pod("pod-a").namespace, pushedFrom: address)
            let stream = try node.stream("pod-a", to: Self.address)
            let flow = try node.flow("pod-a", to: Self.address) { $0.nameCheck == "responder_first" }
            #expect(flow.verdict == (isGood ? "allow" : "reject"), "\(value)")
            if isGood {
                try Stopwatch.wait("its data comes") { try witness.packets() > 2 }
            } else {
                try Stopwatch.wait("it is reset") { server.record.failure != nil }
                #expect(try witness.packets() == 0)
            }
            withExtendedLifetime(stream) {}
        }
    }

    @Test func `every shape of QUIC is decided right, bursts too`() throws {
        let node = try RunningNode(
            zones: Self.zones, policies: ["shop.yaml": Self.policy("require", ports: "udp:7000"), "rest.yaml": PolicyText.denyRest])
        defer { node.stop() }
        try node.echo(Self.address)
        for name in ["api", "sibling"] { try node.resolve("\(name).shared.test", from: "pod-a") }
        let address = try #require(IPAddress(parsing: Self.address))
        let witness = try Witness(in: node.lab, datagramsTo: address)
        func packet(
            _ frames: [UInt8], _ number: UInt64 = 0, _ version: InitialSealer.Version = .v1, id: UInt8, token: [UInt8] = [],
            bytes: Int = 1_200
        ) throws -> [UInt8] {
            let id = [UInt8](repeating: id, count: 8)
            func sealed(_ padding: Int) throws -> [UInt8] {
                try InitialSealer(version, originalID: id).packet(
                    frames + InitialSealer.padding(padding), number: number, destinationID: id, token: token)
            }
            return try sealed(max(0, bytes - sealed(64).count + 64))
        }
        let good = InitialSealer.crypto(HelloBuilder("api.shared.test").message, at: 0)
        let bad = InitialSealer.crypto(HelloBuilder("evil.shared.test").message, at: 0)
        let large = HelloBuilder("api.shared.test").postQuantum().message
        let halves = [
            try packet(InitialSealer.crypto(large[..<900], at: 0), id: 3),
            try packet(InitialSealer.crypto(large[900...], at: 900), 1, id: 3),
        ]
        let hidden = try packet(bad, id: 4)
        // As one datagram it has a good name; sent in pieces of 1,200 bytes the second is the one in its token.
        let header = 1 + 4 + 9 + 1 + 2
        let nested = try packet(good, id: 5, token: [UInt8](repeating: 0, count: 1_200 - header) + hidden, bytes: 2_700)
        var unknown = try packet(good, id: 6)
        unknown.replaceSubrange(1..<5, with: [0xff, 0, 0, 0x1d])
        let zeroRTT: [UInt8] =
            [0xd0, 0, 0, 0, 1, 8] + [UInt8](repeating: 9, count: 8) + [0, 0x44, 0x00] + [UInt8](repeating: 0xee, count: 1_024)
        let shapes: [(String, [[UInt8]], Int)] = [
            ("the name in the second datagram", halves, 2), ("the second datagram first", halves.reversed(), 2),
            ("version 2", [try packet(good, 0, .v2, id: 7)], 1), ("another name in version 2", [try packet(bad, 0, .v2, id: 8)], 0),
            ("a version that is not known", [unknown], 0), ("half a hello", [halves[0]], 0),
            ("0-RTT alone", [zeroRTT], 0),
        ]
        func client() throws -> DatagramClient {
            try DatagramClient(in: node.pod("pod-a").namespace, to: address, port: RunningNode.echoPort)
        }
        for (title, datagrams, answers) in shapes {
            let before = try witness.packets()
            let client = try client()
            for datagram in datagrams { client.send(datagram) }
            #expect(client.answers() == answers, "\(title)")
            #expect(try witness.packets() == before + answers, "\(title)")
        }

        // A burst (UDP_SEGMENT) of two Initials.
        let burst = try client()
        burst.send(halves[0] + halves[1], segmentBytes: halves[0].count)
        #expect(burst.answers() == 2)
        #expect(burst.isEchoed(zeroRTT), "0-RTT behind a good hello")
        let before = try witness.packets()
        let cut = try client()
        cut.send(nested, segmentBytes: 1_200)
        #expect(cut.answers() == 0, "a hello in the token of another")
        #expect(try witness.packets() == before)
        let short = [UInt8](repeating: 0x55, count: 3_600)
        burst.send(short, segmentBytes: 1_200)
        #expect(burst.answers() == 3, "a burst of short headers")
        burst.send(Array(short[..<1_200]) + hidden, segmentBytes: 1_200)
        #expect(burst.answers() == 0, "a hello behind a short header")
    }
}
