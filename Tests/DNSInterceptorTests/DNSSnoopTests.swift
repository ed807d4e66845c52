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

        func segment(_ number: UInt32, _ bytes: [UInt8], flags: UInt8 = 0x10) -> SnoopVerdict {
            let packet = DNSSnoopTests.segment(number, bytes, flags: flags)
            return snoop.answer(packet.span, isForNode: false, now: now, gate: &gate)
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

    private static func segment(_ number: UInt32, _ bytes: [UInt8], flags: UInt8) -> [UInt8] {
        v4(
            6, server, client,
            TestMessage.big16(53) + TestMessage.big16(port) + TestMessage.big32(number) + [0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]
                + bytes)
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
        #expect(scene.counters[.snoopedLearned] == 1 && scene.counters[.snoopedUnasked] == 1)
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
        #expect(scene.ask([1, 2, 3], isOfNode: true) == .pass)
        #expect(scene.ask([1, 2, 3]) == .refuse)
        #expect(scene.taught.isEmpty)
        #expect(scene.ask(query, isOfNode: true) == .pass)
        #expect(scene.answer(reply, isForNode: true) == .pass)
        #expect(scene.taught == [[10, 11]])
    }

    @Test func `a name that policy keeps from the client is refused when it is asked for, over TCP when it is answered`() throws {
        let scene = Scene()
        scene.log.refusedNames = [try .init(parsing: "api.example.org"): .deniedName]
        #expect(scene.ask(query) == .refuse)
        #expect(scene.answer(reply) == .drop)
        #expect(scene.segment(1_000, [], flags: 0x12) == .pass)
        #expect(scene.segment(1_001, Self.framed(reply)) == .refuse)
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
            let key = SnoopedQuestions.Key(client: Self.client, clientPort: 1, server: Self.server, id: UInt16(round % 60_000))
            let isNoted = questions.note(key, .init(askedAt: now, hash: 0, end: 17), now: now)
            #expect(isNoted)
            if round % 50 != 0 { questions.remove(key) }
            now = now.advanced(byNanoseconds: 10_000_000)
        }
        #expect(questions.count <= 21)
        now = now.advanced(bySeconds: 20)
        let last = SnoopedQuestions.Key(client: Self.client, clientPort: 2, server: Self.server, id: 1)
        let isNoted = questions.note(last, .init(askedAt: now, hash: 0, end: 17), now: now)
        #expect(isNoted)
        #expect(questions.count == 1)
    }

    // MARK: TCP

    @Test func `an answer over TCP in pieces passes piece by piece, and teaches before the last`() {
        let scene = Scene()
        let bytes = Self.framed(reply) + Self.framed(TestMessage.reply(to: query, [.a(12)]))
        #expect(scene.segment(0xffff_fff0, [], flags: 0x12) == .pass)
        for (offset, byte) in bytes.enumerated() {
            #expect(scene.segment(0xffff_fff1 &+ UInt32(offset), [byte]) == .pass)
            #expect(scene.taught.count == (offset + 1 < reply.count + 2 ? 0 : offset + 1 < bytes.count ? 1 : 2))
        }
        #expect(scene.taught == [[10, 11], [12]])
    }

    @Test func `segments out of order wait for the sender to repeat them, and old ones pass`() {
        let scene = Scene()
        let bytes = Self.framed(reply)
        #expect(scene.segment(1_000, [], flags: 0x12) == .pass)
        #expect(scene.segment(1_011, Array(bytes[10...])) == .drop)
        #expect(scene.segment(1_001, Array(bytes[..<12])) == .pass)
        #expect(scene.segment(1_001, Array(bytes[..<12])) == .pass, "sent again")
        #expect(scene.taught.isEmpty)
        // Beginning within what was there: other bytes there count for nothing.
        #expect(scene.segment(1_011, [0xff, 0xff] + Array(bytes[12...])) == .pass)
        #expect(scene.taught == [[10, 11]])
        #expect(scene.counters[.snoopedSegmentsAhead] == 1)
    }

    @Test func `the beginning sent once more leaves a stream as it is, another one begins it anew`() {
        let scene = Scene()
        let bytes = Self.framed(reply)
        #expect(scene.segment(1_000, [], flags: 0x12) == .pass)
        #expect(scene.segment(1_001, Array(bytes[..<12])) == .pass)
        #expect(scene.segment(1_000, [], flags: 0x12) == .pass)
        #expect(scene.segment(1_013, Array(bytes[12...])) == .pass)
        #expect(scene.taught == [[10, 11]])
        #expect(scene.segment(5_000, bytes, flags: 0x12) == .pass, "data with the SYN")
        #expect(scene.taught.count == 2)
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
                let key = SnoopedQuestions.Key(client: IPAddress(v4: client), clientPort: 1, server: Self.server, id: id)
                if questions.note(key, .init(askedAt: now, hash: 0, end: 17), now: now) { count += 1 }
            }
            taken.append(count)
        }
        #expect(taken == [32, 16, 8, 4])
    }

    @Test func `zone transfers do not pass`() {
        let scene = Scene()
        let transfer = TestMessage.query("example.org", type: 252)
        #expect(scene.ask(transfer) == .refuse)
        #expect(scene.segment(1_000, [], flags: 0x12) == .pass)
        let soa = TestMessage.Record.soa(of: "example.org", ttl: 60, minimum: 60)
        let bytes = Self.framed(TestMessage.reply(to: transfer, [soa, .a(66, owner: "www.example.org"), soa]))
        #expect(scene.segment(1_001, bytes) == .refuse)
        #expect(scene.taught.isEmpty)
    }

    @Test func `a connection that was not seen to begin, or that brings what is no answer, is reset`() {
        let scene = Scene()
        #expect(scene.segment(1_001, Self.framed(reply)) == .refuse)
        #expect(scene.counters[.snoopedStreamsUnknown] == 1)
        #expect(scene.segment(1_000, [], flags: 0x12) == .pass)
        #expect(scene.segment(1_001, Self.framed(Array(reply.dropLast()))) == .refuse)
        #expect(scene.segment(1_001, Self.framed(reply)) == .refuse, "it is known no longer")
        #expect(scene.segment(1_001, [], flags: 0x11) == .pass)
        #expect(scene.segment(1_001, [], flags: 0x04) == .pass)
        #expect(scene.taught.isEmpty)
    }

    @Test func `connections are bounded, and those that are silent for long make room`() {
        var limits = SnoopLimits()
        limits.streamsPerClientMax = 1
        let scene = Scene(limits: limits)
        let bytes = Self.framed(reply)
        func segment(_ port: UInt16, _ scene: Scene, flags: UInt8 = 0x12) -> SnoopVerdict {
            let packet = Self.v4(
                6, Self.server, Self.client,
                TestMessage.big16(53) + TestMessage.big16(port) + TestMessage.big32(7) + [0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0])
            return scene.snoop.answer(packet.span, isForNode: false, now: scene.now, gate: &scene.gate)
        }
        #expect(segment(1, scene) == .pass)
        #expect(segment(1, scene) == .pass, "sent again")
        #expect(segment(2, scene) == .drop)
        scene.now = scene.now.advanced(bySeconds: 121)
        #expect(segment(2, scene) == .pass)
        #expect(segment(2, scene, flags: 0x04) == .pass)
        #expect(segment(3, scene) == .pass)
        limits.streamBytesMax = 8
        let other = Scene(limits: limits)
        #expect(other.segment(1_000, [], flags: 0x12) == .pass)
        #expect(other.segment(1_001, Array(bytes[..<10])) == .refuse)
        #expect(other.counters[.snoopedStreamsFull] == 1)
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
                _ = scene.segment(1_000, [], flags: 0x12)
                _ = scene.ask(query)
            }
        }
        #expect(scene.ask(query) == .pass)
        #expect(scene.answer(reply) == .pass)
    }
}
