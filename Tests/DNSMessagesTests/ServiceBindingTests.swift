import CLDNS
import DNSMessages
import Testing

@Suite struct ServiceBindingTests {
    static func policy(
        hints: ServiceBindingPolicy.Hints = .pass, ech: ServiceBindingPolicy.Treatment = .pass,
        http3: ServiceBindingPolicy.Treatment = .pass
    ) -> ServiceBindingPolicy {
        var policy = ServiceBindingPolicy()
        policy.hints = hints
        policy.ech = ech
        policy.http3 = http3
        return policy
    }

    static let everything = policy(hints: .strip, ech: .strip, http3: .strip)

    /// Parameters in wire form.
    static func parameters(_ parameters: [(key: UInt16, value: [UInt8])]) -> [UInt8] {
        parameters.flatMap { MessageBuilder.number($0.key) + MessageBuilder.number(UInt16($0.value.count)) + $0.value }
    }

    static func alpn(_ protocols: String...) -> [UInt8] { protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } }

    static func keys(_ keys: UInt16...) -> [UInt8] { keys.flatMap { MessageBuilder.number($0) } }

    static let hint4: [UInt8] = [192, 0, 2, 7]
    static let hint6: [UInt8] = [0x20, 0x01, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [7]
    static let sealed: [UInt8] = [0, 4, 0xfe, 0x0d, 0, 0]

    /// An answer with one HTTPS record in ServiceMode, and what is made of it.
    static func message(_ parameters: [UInt8], priority: UInt16 = 1, target: [UInt8] = [0]) -> MessageBuilder {
        MessageBuilder.response(type: 65).adding(65, MessageBuilder.number(priority) + target + parameters)
    }

    static func rewrite(_ message: MessageBuilder, _ policy: ServiceBindingPolicy) throws -> ServiceBindingRewrite {
        try ServiceBindingRewrite(of: message.bytes.span, parse(message.bytes), for: policy)
    }

    struct Row: CustomTestStringConvertible {
        let title: String
        let given: [(key: UInt16, value: [UInt8])]
        /// Nil: nothing is to be changed.
        let left: [(key: UInt16, value: [UInt8])]?
        var policy = ServiceBindingTests.everything
        var testDescription: String { title }
    }

    static let rows: [Row] = [
        Row(title: "no parameters", given: [], left: nil),
        Row(title: "nothing that is taken out", given: [(1, alpn("h2")), (3, [1, 187]), (7, [0x2f])], left: nil),
        Row(title: "ech alone", given: [(5, sealed)], left: []),
        Row(title: "ech without a value", given: [(5, [])], left: []),
        Row(title: "ech between others", given: [(1, alpn("h2")), (5, sealed), (7, [0x2f])], left: [(1, alpn("h2")), (7, [0x2f])]),
        Row(title: "ech may pass", given: [(5, sealed)], left: nil, policy: policy(hints: .strip, http3: .strip)),
        Row(
            title: "hints of both families", given: [(3, [1, 187]), (4, hint4 + hint4), (5, sealed), (6, hint6)],
            left: [(3, [1, 187]), (5, sealed)], policy: policy(hints: .strip)),
        Row(title: "h3 first", given: [(1, alpn("h3", "h2"))], left: [(1, alpn("h2"))]),
        Row(
            title: "h3 and its drafts in between", given: [(1, alpn("h2", "h3", "h3-29", "http/1.1", "h3"))],
            left: [(1, alpn("h2", "http/1.1"))]),
        Row(title: "names that only begin alike", given: [(1, alpn("h30", "h", "H3", "h3x", "hq"))], left: nil),
        Row(title: "h3 may pass", given: [(1, alpn("h3"))], left: nil, policy: policy(hints: .strip, ech: .strip)),
        Row(title: "h3 alone: alpn goes", given: [(1, alpn("h3")), (3, [1, 187])], left: [(3, [1, 187])]),
        Row(title: "h3 alone: no-default-alpn goes with alpn", given: [(1, alpn("h3", "h3-29")), (2, [])], left: []),
        Row(title: "no-default-alpn stays with what is left", given: [(1, alpn("h3", "h2")), (2, [])], left: [(1, alpn("h2")), (2, [])]),
        Row(title: "an alpn whose last length lies goes whole", given: [(1, alpn("h2") + [9, 0x68, 0x33])], left: []),
        Row(title: "an alpn with an empty name goes whole", given: [(1, [0] + alpn("h2"))], left: []),
        Row(title: "a lying alpn is nobody's concern if h3 passes", given: [(1, [9, 0x68])], left: nil, policy: policy(ech: .strip)),
        Row(
            title: "mandatory loses what goes, in order",
            given: [(0, keys(1, 3, 4, 5)), (1, alpn("h2")), (3, [0, 80]), (4, hint4), (5, sealed)],
            left: [(0, keys(1, 3)), (1, alpn("h2")), (3, [0, 80])]),
        Row(title: "mandatory goes when it is empty", given: [(0, keys(5)), (5, sealed)], left: []),
        Row(
            title: "mandatory names alpn and no-default-alpn", given: [(0, keys(1, 2, 3)), (1, alpn("h3")), (2, []), (3, [0, 80])],
            left: [(0, keys(3)), (3, [0, 80])]),
        Row(
            title: "mandatory keeps what it names though it is not there", given: [(0, keys(9, 65_000)), (5, sealed)],
            left: [(0, keys(9, 65_000))]),
        Row(title: "keys of 16 and more that look like others in 4 bits", given: [(16 + 5, [1]), (0x1004, [2]), (65_535, [])], left: nil),
    ]

    @Test(arguments: rows)
    func `parameters are taken out, and the record stays well-formed`(_ row: Row) throws {
        let message = Self.message(Self.parameters(row.given))
        switch (try Self.rewrite(message, row.policy), row.left) {
        case (.none, nil): break
        case (.message(let bytes, _), let left?):
            #expect(bytes == Self.message(Self.parameters(left)).bytes)
            _ = try parse(bytes)
        case (let outcome, _): Issue.record("\(outcome)")
        }
    }

    @Test func `what was taken out is counted by parameter`() throws {
        let given = Self.parameters([(1, Self.alpn("h3")), (4, Self.hint4), (5, Self.sealed), (6, Self.hint6)])
        let message = Self.message(given).adding(65, [0, 2, 0] + given)
        guard case .message(_, let count) = try Self.rewrite(message, Self.everything) else {
            Issue.record("not rewritten")
            return
        }
        #expect(count.hints == 4 && count.ech == 2 && count.http3 == 2)
    }

    /// Target, priority, and whether its hints may be learned.
    static let targets: [(String, UInt16, Bool)] = [
        ("", 1, true), ("www.example.org", 1, true), ("WWW.example.ORG", 2, true), ("cdn.example.net", 1, true),
        ("edge.example.net", 1, false),
        ("example.org", 1, false), ("", 0, false),
    ]

    @Test(arguments: targets)
    func `hints are learned for the owner itself only, and are gone otherwise`(_ target: String, _ priority: UInt16, _ isLearned: Bool)
        throws
    {
        let data = MessageBuilder.number(priority) + MessageBuilder.wire(target)
        let message = MessageBuilder.response(type: 65).cname("www.example.org", "cdn.example.net")
            .adding("cdn.example.net", 65, data + Self.parameters([(3, [1, 187]), (4, Self.hint4)]))
        switch try Self.rewrite(message, Self.policy(hints: .learn)) {
        case .none:
            #expect(isLearned)
            #expect(try parse(message.bytes).addresses.map(\.description) == ["192.0.2.7"])
        case .message(let bytes, _):
            #expect(!isLearned)
            #expect(try parse(bytes).addresses.isEmpty)
        case .signed: Issue.record("not signed")
        }
    }

    @Test func `hints beside the answer are never learned`() throws {
        let data = MessageBuilder.httpsData
        let message = MessageBuilder.response(type: 65).adding(65, data).adding(.authority, "other.example.org", 65, data)
        guard case .message(let bytes, let count) = try Self.rewrite(message, Self.policy(hints: .learn)) else {
            Issue.record("not rewritten")
            return
        }
        #expect(count.hints == 2)
        #expect(try parse(bytes).addresses.count == 2, "the answer's own")
    }

    @Test func `an answer of another type is cleaned too`() throws {
        let message = MessageBuilder.response(type: 1).a().adding(65, [0, 1, 0] + Self.parameters([(5, Self.sealed)]))
        guard case .message(let bytes, _) = try Self.rewrite(message, ServiceBindingPolicy()) else {
            Issue.record("not rewritten")
            return
        }
        #expect(bytes == MessageBuilder.response(type: 1).a().adding(65, [0, 1, 0]).bytes)
    }

    @Test func `signed records are not touched`() throws {
        let record = Self.message(Self.parameters([(4, Self.hint4), (5, Self.sealed)]))
        let signed = record.rrsig(covering: 65)
        guard case .signed = try Self.rewrite(signed, Self.everything) else {
            Issue.record("signed data was not noticed")
            return
        }
        guard case .none = try Self.rewrite(signed, Self.policy(hints: .learn)) else {
            Issue.record("nothing had to be taken out")
            return
        }
        // A signature of something else, the alias for one, covers nothing of it.
        guard case .message = try Self.rewrite(record.rrsig(covering: 5), Self.everything) else {
            Issue.record("not rewritten")
            return
        }
    }

    @Test func `AD and the additional section go, EDNS and the response code stay`() throws {
        let message = MessageBuilder.response(type: 65, flags: 0x81a7).adding(65, [0, 1, 0] + Self.parameters([(5, Self.sealed)]))
            .adding(.additional, "cdn.example.net", 65, MessageBuilder.httpsData)
            .opt(ttl: 0x0100_8000, options: [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])
        guard case .message(let bytes, _) = try Self.rewrite(message, Self.everything) else {
            Issue.record("not rewritten")
            return
        }
        let (before, after) = (try parse(message.bytes), try parse(bytes))
        #expect(before.isAuthenticData && !after.isAuthenticData)
        #expect(after.rcode == before.rcode && after.rcode.rawValue == 0x17)
        #expect(bytes.suffix(23) == message.bytes.suffix(23))
        #expect(bytes[11] == 1)
    }

    @Test func `what would be malformed never comes to be rewritten`() {
        let rows: [[UInt8]] = [
            Self.parameters([(5, Self.sealed), (4, Self.hint4)]), Self.parameters([(5, []), (5, [])]), [0, 5, 0, 9, 1], [0, 5, 0],
            Self.parameters([(0, [0])]), Self.parameters([(1, [])]), Self.parameters([(2, [1])]),
        ]
        for row in rows { #expect(responseFault(Self.message(row).bytes) == .serviceParameters) }
    }

    /// Random answers, compressed at random: the rewritten message is read by libldns, and by a reader of its own it is the first one but for what
    /// was to go.
    @Test func `random answers lose what they are to lose and nothing else`() throws {
        let seed: UInt64 = 20_261_122
        var generator = SeededGenerator(seed: seed)
        var (changed, moved) = (0, 0)
        for round in 0..<20_000 {
            var message = RandomBinding(&generator)
            message.build()
            let response: DNSResponse
            do { response = try parse(message.bytes) } catch {
                Issue.record("seed \(seed), round \(round): \(error)")
                return
            }
            let policy = Self.policy(
                hints: [.learn, .strip, .pass][Int(generator.next() % 3)], ech: generator.next() % 2 == 0 ? .strip : .pass,
                http3: generator.next() % 2 == 0 ? .strip : .pass)
            let expected = message.records.map { $0.expected(policy) }
            switch try ServiceBindingRewrite(of: message.bytes.span, response, for: policy) {
            case .none: #expect(expected == message.records.map(\.plain), "seed \(seed), round \(round)")
            case .message(let bytes, _):
                changed += 1
                let again = try parse(bytes)
                let read = PlainRecord.read(bytes)
                #expect(read == expected, "seed \(seed), round \(round)")
                #expect(Array(bytes[..<10]) == Array(message.bytes[..<10]), "seed \(seed), round \(round)")
                #expect(again.bodyEnd == bytes.count && again.questionEnd == response.questionEnd)
                #expect(Self.isReadByLDNS(bytes), "seed \(seed), round \(round)")
                if policy.hints == .strip { #expect(again.addresses.isEmpty) }
                if message.hasPointersBehindBindings { moved += 1 }
                guard case .none = try ServiceBindingRewrite(of: bytes.span, again, for: policy) else {
                    Issue.record("seed \(seed), round \(round): not all was taken out at once")
                    return
                }
            case .signed: Issue.record("seed \(seed), round \(round): nothing is signed")
            }
        }
        print("seed \(seed): \(changed) of 20,000 answers rewritten, \(moved) with pointers to move")
        #expect(changed > 5_000 && moved > 2_000)
    }

    private static func isReadByLDNS(_ bytes: [UInt8]) -> Bool {
        var packet: UnsafeMutablePointer<ldns_pkt>?
        let status = unsafe bytes.withUnsafeBufferPointer { unsafe ldns_wire2pkt(&packet, $0.baseAddress, $0.count) }
        defer { unsafe ldns_pkt_free(packet) }
        return status == LDNS_STATUS_OK
    }
}
