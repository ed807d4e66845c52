import Testing

/// One malformed answer of an upstream server. The address 203.0.113.66 stands for what it wants to have opened.
struct Lie: Sendable, CustomTestStringConvertible {
    enum Outcome: Sendable {
        /// Refused by scanner or chain, counted in `exeat_dns_malformed_total{kind="answer",fault=...}`.
        case malformed(String)
        /// Not taken for the reply to our question, counted in `exeat_dns_wrong_replies_total{reason=...}`.
        case wrong(String)
    }

    /// The second label of the names that are answered so.
    let key: String
    let title: String
    let outcome: Outcome
    var isOverTCP = false
    let build: @Sendable (UpstreamQuestion) -> [UInt8]

    var testDescription: String { title }

    static let trueAddress: [UInt8] = [192, 0, 2, 10]
    static let fakeAddress: [UInt8] = [203, 0, 113, 66]

    static let all: [Lie] = [
        Lie(key: "a20", title: "an A record of 20 bytes that hides a whole record", outcome: .malformed("address_length")) { question in
            let fake = WireMessage.question + [0, 1, 0, 1, 0, 0, 1, 44, 0, 4] + fakeAddress
            return question.reply().adding(1, trueAddress + fake).a(trueAddress).bytes
        },
        Lie(key: "a0", title: "an A record without data", outcome: .malformed("address_length")) {
            $0.reply().adding(1, []).a(fakeAddress).bytes
        },
        Lie(key: "selfquestion", title: "18 bytes whose question points at itself", outcome: .wrong("question")) {
            WireMessage(id: $0.id, flags: 0x8180, question: [0xc0, 12, 0, 1, 0, 1]).bytes
        },
        Lie(key: "selfowner", title: "an owner that points at itself", outcome: .malformed("pointer_not_backward")) {
            let reply = $0.reply()
            return reply.a(owner: WireMessage.pointer(reply.bytes.count), fakeAddress).bytes
        },
        Lie(key: "chain", title: "64 KB whose owners follow 100 pointers", outcome: .malformed("pointer_limit"), isOverTCP: true) {
            chained($0, pointers: 100)
        },
        Lie(key: "work", title: "64 KB whose 4,000 owners each follow 64 pointers", outcome: .malformed("too_much_work"), isOverTCP: true) {
            chained($0, pointers: 63)
        },
        Lie(key: "data", title: "an owner that points into an earlier record's address", outcome: .malformed("pointer_into_data")) {
            let reply = $0.reply().a(trueAddress).adding(1, [3, 0x77, 0x77, 0x77])
            return reply.a(owner: WireMessage.pointer(reply.bytes.count - 4), fakeAddress).bytes
        },
        Lie(key: "loop", title: "CNAME records in a circle", outcome: .malformed("cname_loop")) {
            $0.reply().adding(5, WireMessage.name("b.lies.example.org"))
                .adding(5, WireMessage.question, owner: WireMessage.name("b.lies.example.org")).a(fakeAddress).bytes
        },
        Lie(key: "links", title: "20 CNAME records, one after the other", outcome: .malformed("chain_too_long")) { question in
            let names = [WireMessage.question] + (1...20).map { WireMessage.name("l\($0).lies.example.org") }
            let chain = (0..<20).reduce(question.reply()) { $0.adding(5, names[$1 + 1], owner: names[$1]) }
            return chain.a(owner: names[20], fakeAddress).bytes
        },
        Lie(
            key: "txt", title: "TXT of 60 KB zero bytes with NXDOMAIN and an address", outcome: .malformed("address_in_error"),
            isOverTCP: true
        ) {
            $0.reply(flags: 0x8183).a(fakeAddress).adding(16, Array(repeating: 0, count: 60_000)).bytes
        },
        Lie(key: "tsig2", title: "two TSIG records", outcome: .malformed("transaction_signature")) {
            $0.reply().a(fakeAddress).adding(250, [], to: .additional, owner: [0], class: 255)
                .adding(250, [], to: .additional, owner: [0], class: 255).bytes
        },
        Lie(key: "tsig1", title: "TSIG in additional, and records behind it", outcome: .malformed("transaction_signature")) {
            let signature = WireMessage.name("hmac-md5") + Array(repeating: 0, count: 16)
            return $0.reply().a(fakeAddress).adding(250, signature, to: .additional, owner: [0], class: 255)
                .adding(1, fakeAddress, to: .additional).bytes
        },
        Lie(key: "trailing", title: "bytes after the last record", outcome: .malformed("trailing_bytes")) {
            $0.reply().a(fakeAddress).appending(WireMessage.question + [0, 1, 0, 1]).bytes
        },
        Lie(key: "forward", title: "a forward pointer", outcome: .malformed("pointer_not_backward")) {
            let reply = $0.reply()
            return reply.a(owner: WireMessage.pointer(reply.bytes.count + 16), fakeAddress).a(fakeAddress).bytes
        },
        Lie(key: "qd0", title: "QDCOUNT 0", outcome: .wrong("question")) { $0.reply(questionCount: 0).a(fakeAddress).bytes },
        Lie(key: "qd2", title: "QDCOUNT 2", outcome: .wrong("question")) {
            WireMessage(id: $0.id, flags: 0x8180, question: $0.bytes + WireMessage.question + [0, 1, 0, 1], questionCount: 2).a(fakeAddress)
                .bytes
        },
        Lie(key: "chquestion", title: "a question of class CH", outcome: .wrong("question")) {
            WireMessage(id: $0.id, flags: 0x8180, question: $0.bytes.dropLast(2) + [0, 3]).a(fakeAddress).bytes
        },
        Lie(key: "chrecord", title: "a record of class CH", outcome: .malformed("record_class")) {
            $0.reply().adding(1, fakeAddress, class: 3).bytes
        },
        Lie(key: "other", title: "an address of another name", outcome: .malformed("off_chain_address")) {
            $0.reply().a(trueAddress).a(owner: WireMessage.name("victim.lies.example.org"), fakeAddress).bytes
        },
        Lie(key: "count", title: "more records counted than there are", outcome: .malformed("missing_records")) {
            $0.reply().a(fakeAddress).counting(.answer, 1).bytes
        },
    ]

    /// Nothing but 64 KB of A records, whose owners follow a chain of pointers, each to the one before.
    private static func chained(_ question: UpstreamQuestion, pointers: Int) -> [UInt8] {
        var message = question.reply()
        for index in 0..<pointers {
            message = message.a(owner: index == 0 ? WireMessage.question : WireMessage.pointer(message.bytes.count - 16), fakeAddress)
        }
        let end = message.bytes.count - 16
        let tail: [UInt8] = [0, 1, 0, 1, 0, 0, 1, 44, 0, 4] + fakeAddress
        var records: [UInt8] = []
        var count = 0
        // Two ends by turns, so that remembering the last name does not help.
        while message.bytes.count + records.count + 16 < 65_500, count < 4_000 {
            records += WireMessage.pointer(end - 16 * (count % 2)) + tail
            count += 1
        }
        message = message.appending(records).counting(.answer, count)
        return message.bytes
    }

    /// What the server sends to such a question: over UDP a wrong reply comes so often that the worker turns to TCP at once.
    func replies(to question: UpstreamQuestion) -> [LyingUpstream.Reply] {
        if isOverTCP, !question.isOverTCP { return [.init(bytes: question.truncated.bytes)] }
        let reply = LyingUpstream.Reply(bytes: build(question))
        guard case .wrong = outcome, !question.isOverTCP else { return [reply] }
        return Array(repeating: reply, count: 8)
    }
}
