import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension CommandLineTests {
    /// The real daemon, and an upstream server that lies. Names are `nNUMBER.KEY.lies.example.org`; the key says how.
    @Suite(.serialized) struct LyingUpstreamTests {
        private static let keyed = Dictionary(uniqueKeysWithValues: Lie.all.map { ($0.key, $0) })

        /// Truths and lies by the second label from the left.
        @Sendable private static func answer(_ question: UpstreamQuestion) -> [LyingUpstream.Reply] {
            let key = question.label(1)
            if let lie = keyed[key] { return lie.replies(to: question) }
            let truth = question.reply().a(Lie.trueAddress).bytes
            let forged = question.reply().a(Lie.fakeAddress).bytes
            switch key {
            case "wrongid": return [.init(bytes: [forged[0] ^ 0xff] + forged.dropFirst()), .init(bytes: truth, delayMilliseconds: 20)]
            case "wrongport": return [.init(bytes: forged, isFromOtherPort: true), .init(bytes: truth, delayMilliseconds: 20)]
            case "wrongserver":
                return [.init(bytes: forged, isFromOtherAddress: true), .init(bytes: truth, delayMilliseconds: 20)]
            case "nobody": return [.init(bytes: forged, isToOtherPort: true), .init(bytes: truth, delayMilliseconds: 20)]
            case "wrongcase":
                let folded = forged.enumerated().map { index, byte in
                    let isLetter = index >= 12 && index < 12 + question.bytes.count - 4 && (byte | 0x20) >= 97 && (byte | 0x20) <= 122
                    return isLetter ? byte ^ 0x20 : byte
                }
                return [.init(bytes: folded), .init(bytes: truth, delayMilliseconds: 20)]
            case "wrongname":
                let other = WireMessage(id: question.id, flags: 0x8180, question: WireMessage.name("www.example.org") + [0, 1, 0, 1])
                return [.init(bytes: other.a(Lie.fakeAddress).bytes), .init(bytes: truth, delayMilliseconds: 20)]
            // The truth, then other addresses for a question that is answered.
            case "late": return [.init(bytes: truth)] + (1...5).map { .init(bytes: forged, delayMilliseconds: $0) }
            case "longlife": return [.init(bytes: question.reply().a([192, 0, 2, 11], ttl: .max).bytes)]
            case "zeros" where !question.isOverTCP: return [.init(bytes: question.truncated.bytes)]
            case "zeros":
                // Legal: a TXT record of 60,000 empty strings beside the address.
                return [.init(bytes: question.reply().adding(16, Array(repeating: 0, count: 60_000)).a([192, 0, 2, 13]).bytes)]
            case "binary": return [.init(bytes: question.reply().a([192, 0, 2, 12]).bytes)]
            default: return [.init(bytes: question.labels.last == Array("org".utf8) ? truth : forged)]
            }
        }

        private static func name(_ key: String, _ number: Int) -> [UInt8] { WireMessage.name("n\(number).\(key).lies.example.org") }

        private static func counter(of lie: Lie) -> String {
            switch lie.outcome {
            case .malformed(let fault): "exeat_dns_malformed_total{kind=\"answer\",fault=\"\(fault)\"}"
            case .wrong(let reason): "exeat_dns_wrong_replies_total{reason=\"\(reason)\"}"
            }
        }

        /// The four bytes of the only answer of a good reply.
        private static func address(in reply: [UInt8]?) -> [UInt8]? {
            guard let reply, reply[3] & 0x0f == 0, reply[6...7] == [0, 1] else { return nil }
            return Array(reply.suffix(4))
        }

        @Test func `no malformed answer reaches the client or binds anything, each is counted, and nothing grows`() throws {
            let lab = try DaemonLab(answer: Self.answer)
            defer { lab.stop() }
            #expect(Self.address(in: try lab.ask("n0.true.lies.example.org")) == Lie.trueAddress)

            for lie in Lie.all {
                let before = try lab.metrics()[Self.counter(of: lie)] ?? -1
                let reply = try #require(try lab.ask([Self.name(lie.key, 0)])[0], "\(lie.title): no answer at all")
                #expect(reply[3] & 0x0f == 2, "\(lie.title): SERVFAIL, not \(reply[3] & 0x0f)")
                #expect(reply[6...7] == [0, 0], "\(lie.title): an answer came through")
                let after = try lab.metrics()[Self.counter(of: lie)] ?? -1
                #expect(before >= 0 && after > before, "\(lie.title) is counted: \(before), \(after)")
                if case .malformed = lie.outcome { #expect(after == before + 1, "\(lie.title): once") }
            }
            #expect(try Array(lab.bindings().keys) == ["n0.true.lies.example.org"])
            #expect(try lab.connect(to: Lie.fakeAddress) == .refused(errno: ECONNREFUSED))

            // Two thousand of each that costs one exchange, two hundred of each that costs the worker four tries.
            func repeatAll(from first: Int, times: (Lie) -> Int) throws {
                for lie in Lie.all {
                    let names = (0..<times(lie)).map { Self.name(lie.key, first + $0) }
                    let replies = try lab.ask(names)
                    #expect(replies.allSatisfy { $0.map { $0[3] & 0x0f == 2 && $0[6...7] == [0, 0] } ?? false }, "\(lie.title)")
                }
            }
            try repeatAll(from: 10_000) { _ in 100 }
            let resident = try lab.memory("VmRSS")
            let started = Date()
            try repeatAll(from: 20_000) { lie in
                if case .wrong = lie.outcome { 200 } else { 2_000 }
            }
            let grown = try lab.memory("VmRSS") - resident
            print(
                "malformed answers: VmRSS \(resident) KiB, then \(grown) KiB more, peak \(try lab.memory("VmHWM")) KiB, \(Date().timeIntervalSince(started)) s"
            )
            #expect(grown < 1_024, "KiB")
            #expect(try lab.memory("VmHWM") < resident + 8_192)

            #expect(lab.isRunning)
            #expect(try Array(lab.bindings().keys) == ["n0.true.lies.example.org"])
            #expect(Self.address(in: try lab.ask("n1.true.lies.example.org")) == Lie.trueAddress)
            #expect(try lab.connect(to: Lie.trueAddress) == .answered)
        }

        @Test func `a forged reply is passed over and the true one is waited for`() throws {
            let lab = try DaemonLab(answer: Self.answer)
            defer { lab.stop() }
            // What no socket waits for, the kernel counts: from a wrong port or server, to nobody, after the truth. That is read once a second.
            for (key, reason) in [
                ("wrongid", "id"), ("wrongcase", "letter_case"), ("wrongname", "question"), ("wrongport", "no_socket"),
                ("wrongserver", "server"), ("nobody", "no_socket"), ("late", "no_socket"),
            ] {
                let counter = "exeat_dns_wrong_replies_total{reason=\"\(reason)\"}"
                let before = try lab.metrics()[counter] ?? .nan
                for number in 0..<5 {
                    #expect(Self.address(in: try lab.ask([Self.name(key, number)])[0]) == Lie.trueAddress, "\(key)")
                }
                var counted = 0.0
                for _ in 0..<50 {
                    counted = (try lab.metrics()[counter] ?? .nan) - before
                    if counted >= 5 { break }
                    usleep(100_000)
                }
                #expect(counted >= 5, "\(key)")
            }
            let bound = try lab.bindings()
            #expect(bound.count == 35)
            #expect(bound.values.allSatisfy { $0["address"] as? String == "192.0.2.10" })
            #expect(try lab.connect(to: Lie.fakeAddress) == .refused(errno: ECONNREFUSED))
            #expect(try lab.connect(to: Lie.trueAddress) == .answered)
        }

        /// RFC 2181 §8: a TTL with the highest bit set is zero. A label may hold any byte (RFC 2181 §11). 60,000 empty strings are a legal
        /// TXT record. What the parser library makes of them does not matter: the scanner decides, and names are compared as labels.
        @Test func `what is odd but legal is taken in one defined way`() throws {
            let lab = try DaemonLab(answer: Self.answer)
            defer { lab.stop() }

            let long = try #require(try lab.ask("n0.longlife.lies.example.org"))
            #expect(Self.address(in: long) == [192, 0, 2, 11])
            #expect(long.suffix(10).prefix(4).allSatisfy { $0 == 0 }, "the client is told a TTL of 0")
            let row = try #require(try lab.bindings()["n0.longlife.lies.example.org"])
            let remaining = try #require(row["remaining_milliseconds"] as? Int)
            #expect(remaining > 10_000 && remaining <= 15_000, "floor and grace: \(remaining)")

            let odd = WireMessage.name([
                Array("a.b\u{0}c".utf8), Array("binary".utf8), Array("lies".utf8), Array("example".utf8), Array("org".utf8),
            ])
            #expect(Self.address(in: try lab.ask([odd])[0]) == [192, 0, 2, 12])
            #expect(try lab.bindings().keys.contains("a\\.b\\000c.binary.lies.example.org"))
            #expect(try lab.connect(to: [192, 0, 2, 12]) == .answered)

            // One label "api.example" is not two: the name looks like an allowed one and is none.
            let alike = WireMessage.name([Array("api.example".utf8), Array("org".utf8)])
            let hidden = WireMessage.name([Array("x".utf8), Array("lies.example.org\u{0}".utf8), Array("test".utf8)])
            #expect(Self.address(in: try lab.ask([alike])[0]) == Lie.trueAddress)
            #expect(Self.address(in: try lab.ask([hidden])[0]) == Lie.fakeAddress)
            #expect(try lab.connect(to: Lie.trueAddress) == .refused(errno: ECONNREFUSED))
            #expect(try lab.connect(to: Lie.fakeAddress) == .refused(errno: ECONNREFUSED))

            let peak = try lab.memory("VmHWM")
            let zeros = try #require(try lab.ask("n0.zeros.lies.example.org"))
            #expect(zeros[2] & 0x02 != 0, "too large for UDP: the client is told to use TCP")
            #expect(try lab.memory("VmHWM") < peak + 4_096, "KiB; libldns alone takes 709 MB for it")
        }
    }
}
