import DNSInterceptor
import Enforcement
import NetworkTypes
import Testing

/// DNS of others that is read on its way: what of it teaches, what passes and what does not.
@Suite struct DNSSnoopTests {
    private static let client = IPAddress(v4: 0x7f00_0001)
    private static let server = IPAddress(v4: 0xc000_0235)
    private static let port: UInt16 = 40_000

    /// What reads, and what it was told.
    private final class Scene {
        var snoop: DNSSnoop
        var gate: TestGate
        let counters: DNSCounters
        let log = TestGate.Log()
        var now = Instant(seconds: 100)

        init(isEnforcing: Bool = true, limits: SnoopLimits = SnoopLimits()) {
            counters = DNSCounters()
            snoop = DNSSnoop(counters: counters, log: nil, isEnforcing: isEnforcing, limits: limits)
            gate = TestGate(log: log)
        }

        func ask(_ query: [UInt8], port: UInt16 = DNSSnoopTests.port, isOfNode: Bool = false) -> SnoopVerdict {
            let packet = DNSSnoopTests.datagram(query, from: DNSSnoopTests.client, port, to: DNSSnoopTests.server, 53)
            return snoop.question(packet.span, isOfNode: isOfNode, now: now, gate: &gate)
        }

        func answer(
            _ reply: [UInt8], from server: IPAddress = DNSSnoopTests.server, port: UInt16 = DNSSnoopTests.port, isForNode: Bool = false
        ) -> SnoopVerdict {
            let packet = DNSSnoopTests.datagram(reply, from: server, 53, to: DNSSnoopTests.client, port)
            return snoop.answer(packet.span, isForNode: isForNode, now: now, gate: &gate)
        }

        /// Of the server.
        func segment(
            _ number: UInt32, _ bytes: [UInt8], flags: UInt8 = 0x10, acknowledged: UInt32 = 101, port: UInt16 = DNSSnoopTests.port,
            isForNode: Bool = false
        ) -> SnoopVerdict {
            let packet = DNSSnoopTests.segment(number, bytes, flags: flags, acknowledged: acknowledged, port: port)
            return snoop.answer(packet.span, isForNode: isForNode, now: now, gate: &gate)
        }

        /// Of the client.
        func send(
            _ number: UInt32, _ bytes: [UInt8], flags: UInt8 = 0x10, port: UInt16 = DNSSnoopTests.port, isOfNode: Bool = false
        ) -> SnoopVerdict {
            let packet = DNSSnoopTests.segment(number, bytes, flags: flags, port: port, isOfClient: true)
            return snoop.question(packet.span, isOfNode: isOfNode, now: now, gate: &gate)
        }

        /// Both ends begin, the client at 101, and it asks.
        func connect(
            _ start: UInt32, asking queries: [UInt8]..., port: UInt16 = DNSSnoopTests.port, isNode: Bool = false
        ) -> Bool {
            guard send(100, [], flags: 0x02, port: port, isOfNode: isNode) == .pass,
                segment(start, [], flags: 0x12, port: port, isForNode: isNode) == .pass
            else { return false }
            return send(101, queries.flatMap { DNSSnoopTests.framed($0) }, port: port, isOfNode: isNode) == .pass
        }

        var taught: [[UInt8]] { log.lessons.map { $0.addresses.map { UInt8(truncatingIfNeeded: $0.v4) } } }
    }

    private static func v4(_ transport: UInt8, _ source: IPAddress, _ destination: IPAddress, _ payload: [UInt8]) -> [UInt8] {
        [0x45, 0] + TestMessage.big16(UInt16(20 + payload.count)) + [0, 0, 0, 0, 64, transport, 0, 0] + source.networkBytes
            + destination.networkBytes + payload
    }

    private static func datagram(
        _ message: [UInt8], from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress, _ port: UInt16
    ) -> [UInt8] {
        v4(
            17, source, destination,
            TestMessage.big16(sourcePort) + TestMessage.big16(port) + TestMessage.big16(UInt16(8 + message.count)) + [0, 0] + message)
    }

    private static func segment(
        _ number: UInt32, _ bytes: [UInt8], flags: UInt8, acknowledged: UInt32 = 0, port: UInt16 = port, isOfClient: Bool = false
    ) -> [UInt8] {
        v4(
            6, isOfClient ? client : server, isOfClient ? server : client,
            TestMessage.big16(isOfClient ? port : 53) + TestMessage.big16(isOfClient ? 53 : port) + TestMessage.big32(number)
                + TestMessage.big32(acknowledged) + [0x50, flags, 0xff, 0xff, 0, 0, 0, 0] + bytes)
    }

    private static func framed(_ message: [UInt8]) -> [UInt8] { TestMessage.big16(UInt16(message.count)) + message }

    private let query = TestMessage.query("api.example.org")
    private var reply: [UInt8] { TestMessage.reply(to: query, [.a(10, ttl: 30), .a(11, ttl: 20)]) }

    // MARK: UDP

    @Test func `an answer that was asked for teaches its client before it passes, once`() {
        let scene = Scene()
        #expect(scene.ask(query) == .pass)
        #expect(scene.answer(reply) == .pass)
        #expect(scene.taught == [[10, 11]])
        #expect(scene.log.lessons.first?.ttl == 20 && scene.log.lessons.first?.client == TestGate.endpoint)
        #expect(scene.answer(reply) == .drop, "nobody waits for it any more")
        #expect(scene.taught.count == 1)
        #expect(scene.counters[.snoopedLearned] == 1 && scene.counters[.snoopedUnasked] == 1 && scene.counters[.snoopedUnread] == 0)
    }

    @Test func `forged answers teach nothing, and the true one still counts`() {
        let scene = Scene()
        #expect(scene.ask(query) == .pass)
        let forged = TestMessage.Record.a(66)
        var wrongID = TestMessage.reply(to: query, [forged])
        wrongID[0] ^= 1
        let otherName = TestMessage.reply(to: TestMessage.query("evil.example.org"), [forged])
        let otherType = TestMessage.reply(to: TestMessage.query("api.example.org", type: TestMessage.aaaa), [forged])
        let short = Array(TestMessage.reply(to: query, [forged]).prefix(20))
        for bytes in [wrongID, otherName, otherType, short] { #expect(scene.answer(bytes) == .drop) }
        #expect(scene.answer(TestMessage.reply(to: query, [forged]), from: IPAddress(v4: 0xc000_0236)) == .drop)
        #expect(scene.answer(TestMessage.reply(to: query, [forged]), port: 40_001) == .drop)
        let offChain = TestMessage.reply(to: query, [.a(66, owner: "evil.example.org")])
        _ = scene.answer(offChain)
        #expect(scene.taught.isEmpty)
        #expect(scene.ask(query) == .pass)
        #expect(scene.answer(reply) == .pass)
        #expect(scene.taught == [[10, 11]])
    }

    @Test func `an answer in the letter case of the question or another is the same answer`() {
        let scene = Scene()
        #expect(scene.ask(TestMessage.query("aPi.ExAmple.ORG")) == .pass)
        #expect(scene.answer(reply) == .pass)
        #expect(scene.taught == [[10, 11]])
    }

    @Test func `what is not whole, or refused by the gate, does not pass`() {
        let scene = Scene()
        for cut in [13, 30, reply.count - 1] {
            #expect(scene.ask(query) == .pass)
            #expect(scene.answer(Array(reply.prefix(cut))) == .drop, "\(cut) bytes")
        }
        #expect(scene.ask(query) == .pass)
        scene.log.release = .refuse(.rebinding)
        #expect(scene.answer(reply) == .drop)
        #expect(scene.counters[.refusedRebinding] == 1 && scene.counters[.snoopedRefused] == 1)
        scene.log.release = .release(timeToLiveCapSeconds: 60)
        #expect(scene.answer(reply) == .pass, "the true one may come behind a forged one")
    }

    @Test func `answers without addresses pass`() {
        let scene = Scene()
        #expect(scene.ask(query) == .pass)
        #expect(scene.answer(TestMessage.reply(to: query, [], code: 3)) == .pass)
        #expect(scene.ask(query) == .pass)
        #expect(scene.answer([0x12, 0x34, 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]) == .pass, "FORMERR without a question")
        let text = TestMessage.query("text.example.org", type: TestMessage.txt)
        #expect(scene.ask(text) == .pass)
        #expect(scene.answer(TestMessage.reply(to: text, [.txt(count: 20)])) == .pass)
        #expect(scene.taught.isEmpty && scene.counters[.snoopedEmpty] == 3)
    }

    @Test func `of the node itself passes what nobody was seen to ask for, and teaches nothing`() {
        let scene = Scene()
        #expect(scene.answer(reply, isForNode: true) == .pass)
        #expect(scene.counters[.snoopedUnread] == 1 && scene.counters[.snoopedUnasked] == 0)
        #expect(scene.ask([1, 2, 3], isOfNode: true) == .pass)
        #expect(scene.ask([1, 2, 3]) == .refuse)
        #expect(scene.taught.isEmpty)
        #expect(scene.ask(query, isOfNode: true) == .pass)
        #expect(scene.answer(reply, isForNode: true) == .pass)
        #expect(scene.taught == [[10, 11]])
    }

    @Test func `a name that policy keeps from the client is refused when it is asked for, over UDP and TCP`() throws {
        let scene = Scene()
        scene.log.refusedNames = [try .init(parsing: "api.example.org"): .deniedName]
        #expect(scene.ask(query) == .refuse)
        #expect(scene.answer(reply) == .drop)
        #expect(scene.send(100, [], flags: 0x02) == .pass)
        #expect(scene.segment(1_000, [], flags: 0x12) == .pass)
        let framed = Self.framed(query)
        #expect(scene.send(101, Array(framed[..<10])) == .pass)
        #expect(scene.send(111, Array(framed[10...])) == .refuse)
        #expect(scene.segment(1_001, Self.framed(reply)) == .refuse)
        #expect(scene.segment(1_001, Self.framed(TestMessage.reply(to: query, []))) == .refuse, "nor without records")
        #expect(scene.taught.isEmpty && scene.counters[.refusedDeniedName] == 2)
    }

    @Test func `in audit mode everything passes, and what is good teaches`() {
        let scene = Scene(isEnforcing: false)
        #expect(scene.answer(reply) == .pass)
        #expect(scene.ask([1, 2, 3]) == .pass)
        #expect(scene.ask(query) == .pass)
        #expect(scene.answer(reply) == .pass)
        #expect(scene.taught == [[10, 11]])
    }

    @Test func `a question waits ten seconds, and one client holds so many`() {
        var limits = SnoopLimits()
        limits.questionsPerClientMax = 3
        let scene = Scene(limits: limits)
        for id: UInt16 in 1...3 { #expect(scene.ask(TestMessage.query("api.example.org", id: id)) == .pass) }
        #expect(scene.ask(TestMessage.query("api.example.org", id: 4)) == .drop)
        #expect(scene.ask(TestMessage.query("api.example.org", id: 3)) == .pass, "asked again")
        #expect(scene.counters[.snoopedQuestionsFull] == 1)
        scene.now = scene.now.advanced(bySeconds: 11)
        #expect(scene.answer(TestMessage.reply(to: TestMessage.query("api.example.org", id: 1), [.a(10)])) == .drop)
        for id: UInt16 in 4...6 { #expect(scene.ask(TestMessage.query("api.example.org", id: id)) == .pass) }
    }

    @Test func `many questions, answered and not, leave nothing behind`() {
        var limits = SnoopLimits()
        limits.questionsMax = 64
        var questions = SnoopedQuestions(limits)
        var now = Instant(seconds: 1)
        for round in 0..<10_000 {
            let key = SnoopedQuestions.Key(
                client: Self.client, clientPort: 1, server: Self.server, isStream: false, id: UInt16(round % 60_000), hash: 0)
            let isNoted = questions.note(key, now: now)
            #expect(isNoted)
            if round % 50 != 0 { questions.remove(key) }
            now = now.advanced(byNanoseconds: 10_000_000)
        }
        #expect(questions.count <= 21)
        now = now.advanced(bySeconds: 20)
        let last = SnoopedQuestions.Key(client: Self.client, clientPort: 2, server: Self.server, isStream: false, id: 1, hash: 0)
        let isNoted = questions.note(last, now: now)
        #expect(isNoted)
        #expect(questions.count == 1)
    }

    @Test func `one client does not take the room of all`() {
        var limits = SnoopLimits()
        limits.questionsMax = 64
        var questions = SnoopedQuestions(limits)
        let now = Instant(seconds: 1)
        var taken: [Int] = []
        for client: UInt32 in 1...4 {
            var count = 0
            for id: UInt16 in 0..<100 {
                let key = SnoopedQuestions.Key(
                    client: IPAddress(v4: client), clientPort: 1, server: Self.server, isStream: false, id: id, hash: 0)
                if questions.note(key, now: now) { count += 1 }
            }
            taken.append(count)
        }
        #expect(taken == [32, 16, 8, 4])
    }

    @Test func `two questions under one number have their answers each`() {
        let scene = Scene()
        let other = TestMessage.query("api.example.org", type: TestMessage.aaaa)
        #expect(scene.ask(query) == .pass && scene.ask(other) == .pass)
        #expect(scene.answer(TestMessage.reply(to: other, [])) == .pass)
        #expect(scene.answer(reply) == .pass)
        #expect(scene.taught == [[10, 11]])
    }

    // MARK: TCP

    @Test func `an answer over TCP in pieces passes piece by piece, and teaches before the last`() {
        let scene = Scene()
        let second = TestMessage.query("api.example.org", id: 2)
        let bytes = Self.framed(reply) + Self.framed(TestMessage.reply(to: second, [.a(12)]))
        #expect(scene.connect(0xffff_fff0, asking: query, second))
        for (offset, byte) in bytes.enumerated() {
            #expect(scene.segment(0xffff_fff1 &+ UInt32(offset), [byte]) == .pass)
            #expect(scene.taught.count == (offset + 1 < reply.count + 2 ? 0 : offset + 1 < bytes.count ? 1 : 2))
        }
        #expect(scene.taught == [[10, 11], [12]])
        #expect(scene.counters[.snoopedQuestions] == 2)
    }

    @Test func `segments out of order wait for the sender to repeat them, and old ones pass`() {
        let scene = Scene()
        let bytes = Self.framed(reply)
        #expect(scene.connect(1_000, asking: query))
        #expect(scene.segment(1_011, Array(bytes[10...])) == .drop)
        #expect(scene.segment(1_001, Array(bytes[..<12])) == .pass)
        #expect(scene.segment(1_001, Array(bytes[..<12])) == .pass, "sent again")
        #expect(scene.segment(990, Array(bytes[..<12])) == .drop, "before the beginning")
        #expect(scene.taught.isEmpty)
        // Beginning within what was there: other bytes there count for nothing.
        #expect(scene.segment(1_011, [0xff, 0xff] + Array(bytes[12...])) == .pass)
        #expect(scene.taught == [[10, 11]])
        #expect(scene.counters[.snoopedSegmentsApart] == 2)
    }

    @Test func `the beginning sent once more leaves a stream as it is, and another one of the server counts for nothing`() {
        let scene = Scene()
        let bytes = Self.framed(reply)
        #expect(scene.connect(1_000, asking: query))
        #expect(scene.segment(1_001, Array(bytes[..<12])) == .pass)
        #expect(scene.send(100, [], flags: 0x02) == .pass)
        #expect(scene.segment(1_000, [], flags: 0x12) == .pass)
        #expect(scene.segment(5_000, [], flags: 0x12) == .drop)
        #expect(scene.segment(1_000, [], flags: 0x02) == .drop, "without ACK")
        #expect(scene.segment(1_013, Array(bytes[12...])) == .pass)
        #expect(scene.taught == [[10, 11]])
        // The client's makes all begin anew.
        #expect(scene.send(500, [], flags: 0x02) == .pass)
        #expect(scene.segment(1_001 + UInt32(bytes.count), bytes) == .refuse)
        #expect(scene.send(500, Self.framed(query), flags: 0x02) == .pass, "data with the SYN")
        #expect(scene.segment(7_000, [], flags: 0x12, acknowledged: 101) == .drop, "of another connection")
        #expect(scene.segment(7_000, bytes, flags: 0x12, acknowledged: 501 + UInt32(query.count) + 2) == .pass)
        #expect(scene.taught.count == 2)
    }

    @Test func `over TCP too only what was asked for teaches`() {
        let scene = Scene()
        #expect(scene.connect(1_000, asking: query))
        let other = TestMessage.reply(to: TestMessage.query("evil.example.org"), [.a(66)])
        #expect(scene.segment(1_001, Self.framed(other)) == .refuse)
        #expect(scene.ask(query, port: 2) == .pass)
        #expect(scene.connect(1_000, asking: TestMessage.query("text.example.org", type: TestMessage.txt), port: 2))
        #expect(scene.segment(1_001, Self.framed(reply), port: 2) == .refuse, "what was asked over UDP is not answered over TCP")
        #expect(scene.connect(1_000, asking: query, port: 3))
        #expect(scene.segment(1_001, Self.framed(query), port: 3) == .refuse, "no answer")
        #expect(scene.taught.isEmpty)
        #expect(scene.counters[.snoopedUnasked] == 2 && scene.counters[.snoopedMalformed] == 1)
    }

    @Test func `of the node's own connections those that were not seen to begin pass, and teach nothing`() {
        let scene = Scene()
        #expect(scene.segment(1_000, [], flags: 0x12, isForNode: true) == .pass)
        #expect(scene.segment(1_001, Self.framed(reply), isForNode: true) == .pass)
        #expect(scene.taught.isEmpty)
        #expect(scene.connect(1_000, asking: query, isNode: true))
        #expect(scene.segment(1_001, Self.framed(reply), isForNode: true) == .pass)
        #expect(scene.taught == [[10, 11]])
        #expect(scene.segment(1_003 + UInt32(reply.count), Self.framed(reply), isForNode: true) == .pass)
        #expect(scene.taught.count == 1 && scene.counters[.snoopedUnread] == 1)
        scene.log.release = .refuse(.rebinding)
        #expect(scene.connect(5_000, asking: query, port: 9, isNode: true))
        #expect(scene.segment(5_001, Self.framed(reply), port: 9, isForNode: true) == .refuse)
    }

    @Test func `zone transfers do not pass`() {
        let scene = Scene()
        let transfer = TestMessage.query("example.org", type: 252)
        #expect(scene.ask(transfer) == .refuse)
        #expect(!scene.connect(1_000, asking: transfer))
        let soa = TestMessage.Record.soa(of: "example.org", ttl: 60, minimum: 60)
        let bytes = Self.framed(TestMessage.reply(to: transfer, [soa, .a(66, owner: "www.example.org"), soa]))
        #expect(scene.segment(1_001, bytes) == .refuse)
        #expect(scene.taught.isEmpty)
    }

    @Test func `a connection that was not seen to begin, or that brings what is no answer, is reset`() {
        let scene = Scene()
        #expect(scene.segment(1_000, [], flags: 0x12) == .drop)
        #expect(scene.segment(1_001, Self.framed(reply)) == .refuse)
        #expect(scene.send(101, Self.framed(query)) == .refuse)
        #expect(scene.counters[.snoopedConnectionsUnknown] == 3)
        #expect(scene.send(100, [], flags: 0x02) == .pass)
        #expect(scene.segment(1_001, Self.framed(reply)) == .refuse, "the server has not begun")
        #expect(scene.connect(1_000, asking: query))
        #expect(scene.segment(1_001, Self.framed(Array(reply.dropLast()))) == .refuse)
        #expect(scene.segment(1_001, Self.framed(reply)) == .refuse, "it is known no longer")
        #expect(scene.segment(1_001, [], flags: 0x11) == .pass)
        #expect(scene.segment(1_001, [], flags: 0x04) == .pass)
        #expect(scene.connect(1_000, asking: query))
        #expect(scene.segment(1_001, Self.framed(reply), flags: 0x30) == .refuse, "with urgent bytes")
        #expect(scene.taught.isEmpty)
    }

    @Test func `a client that wants more connections than its share gives up those that are over, then its oldest`() {
        var limits = SnoopLimits()
        limits.connectionsPerClientMax = 2
        let scene = Scene(limits: limits)
        #expect(scene.connect(1_000, asking: query, port: 1))
        #expect(scene.connect(1_000, asking: query, port: 2))
        #expect(scene.segment(1_001, Self.framed(reply), flags: 0x11, port: 2) == .pass)
        #expect(scene.connect(1_000, asking: query, port: 3), "instead of the second, which is over")
        #expect(scene.segment(1_001, Self.framed(reply), port: 1) == .pass)
        #expect(scene.segment(1_001, Self.framed(reply), port: 2) == .refuse)
        #expect(scene.connect(1_000, asking: query, port: 4), "instead of the first")
        #expect(scene.segment(1_003 + UInt32(reply.count), Self.framed(reply), port: 1) == .refuse)
        for port: UInt16 in [3, 4] { #expect(scene.segment(1_001, Self.framed(reply), port: port) == .pass) }
        #expect(scene.taught.count == 4)
    }

    @Test func `connections that are silent for long make room`() {
        var limits = SnoopLimits()
        limits.connectionsMax = 1
        let scene = Scene(limits: limits)
        #expect(scene.connect(1_000, asking: query, port: 1))
        func other() -> SnoopVerdict {
            let syn = Self.v4(
                6, IPAddress(v4: 0x7f00_0002), Self.server,
                TestMessage.big16(9) + TestMessage.big16(53) + TestMessage.big32(7) + [0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0])
            return scene.snoop.question(syn.span, isOfNode: false, now: scene.now, gate: &scene.gate)
        }
        #expect(other() == .drop)
        #expect(scene.counters[.snoopedConnectionsFull] == 1)
        scene.now = scene.now.advanced(bySeconds: 121)
        #expect(other() == .pass)
        #expect(scene.send(101, Self.framed(query), port: 1) == .refuse)
    }

    @Test func `a client's unfinished answers take no more than its share of the bytes`() {
        var limits = SnoopLimits()
        limits.bytesPerClientMax = 16
        let scene = Scene(limits: limits)
        let bytes = Self.framed(reply)
        #expect(scene.connect(1_000, asking: query, port: 1) && scene.connect(1_000, asking: query, port: 2))
        #expect(scene.segment(1_001, Array(bytes[..<10]), port: 1) == .pass)
        #expect(scene.segment(1_001, Array(bytes[..<10]), port: 2) == .refuse)
        #expect(scene.counters[.snoopedConnectionsFull] == 1)
        #expect(scene.segment(1_011, Array(bytes[10...]), port: 1) == .pass)
        #expect(scene.connect(1_000, asking: query, port: 2))
        #expect(scene.segment(1_001, Array(bytes[..<10]), port: 2) == .pass)
        #expect(scene.segment(1_011, Array(bytes[10...]), port: 2) == .pass)
        #expect(scene.taught.count == 2)
    }

    @Test func `no bytes whatsoever bring it down`() {
        var random = SystemRandomNumberGenerator()
        let scene = Scene()
        let whole = Self.datagram(reply, from: Self.server, 53, to: Self.client, Self.port)
        let stream = Self.segment(1_001, Self.framed(reply), flags: 0x10)
        for round in 0..<20_000 {
            var bytes = round % 2 == 0 ? whole : stream
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...min(40, bytes.count - 1), using: &random))
            _ = scene.snoop.question(bytes.span, isOfNode: round % 3 == 0, now: scene.now, gate: &scene.gate)
            _ = scene.snoop.answer(bytes.span, isForNode: round % 3 == 1, now: scene.now, gate: &scene.gate)
            if round % 100 == 0 {
                _ = scene.connect(1_000, asking: query)
                _ = scene.ask(query)
            }
        }
        #expect(scene.ask(query) == .pass)
        #expect(scene.answer(reply) == .pass)
    }
}
