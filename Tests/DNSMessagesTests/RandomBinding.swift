import DNSMessages

/// One record as it means, without compression: names in full.
struct PlainRecord: Equatable {
    let owner: [UInt8]
    let type: UInt16
    let ttl: UInt32
    let data: [UInt8]

    /// The answer and authority records of a good message, which holds types of ``RandomBinding`` only.
    static func read(_ bytes: [UInt8]) -> [PlainRecord] {
        var offset = name(bytes, 12).end + 4
        let count = Int(bytes[6]) << 8 + Int(bytes[7]) + Int(bytes[8]) << 8 + Int(bytes[9])
        return (0..<count).map { _ in
            let owner = name(bytes, offset)
            let head = owner.end
            let type = UInt16(bytes[head]) << 8 | UInt16(bytes[head + 1])
            let ttl = bytes[(head + 4)..<(head + 8)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let data = head + 10
            let end = data + Int(bytes[head + 8]) << 8 + Int(bytes[head + 9])
            offset = end
            var plain: [UInt8] = []
            switch type {
            case 2, 5: plain = name(bytes, data).name
            case 6:
                let first = name(bytes, data)
                let second = name(bytes, first.end)
                plain = first.name + second.name + bytes[second.end..<end]
            default: plain = Array(bytes[data..<end])
            }
            return PlainRecord(owner: owner.name, type: type, ttl: ttl, data: plain)
        }
    }

    private static func name(_ bytes: [UInt8], _ start: Int) -> (name: [UInt8], end: Int) {
        var name: [UInt8] = []
        var offset = start
        var end: Int?
        while true {
            let byte = Int(bytes[offset])
            if byte >= 0xc0 {
                end = end ?? offset + 2
                offset = (byte & 0x3f) << 8 | Int(bytes[offset + 1])
                continue
            }
            name += bytes[offset...(offset + byte)]
            offset += 1 + byte
            if byte == 0 { return (name, end ?? offset) }
        }
    }
}

/// A random answer to a question for HTTPS records: perhaps over an alias, with records before and behind, its names compressed at random.
struct RandomBinding {
    struct Record {
        let plain: PlainRecord
        /// Nil of other types than HTTPS and SVCB.
        var parameters: [(key: UInt16, value: [UInt8])]?
        var isOwn = false
        var isAnswer = true

        /// What `policy` leaves of it, said in another way than the code under test does.
        func expected(_ policy: ServiceBindingPolicy) -> PlainRecord {
            guard let parameters else { return plain }
            let keepsHints = policy.hints == .pass || (policy.hints == .learn && isOwn && isAnswer)
            var left = parameters
            if !keepsHints { left.removeAll { $0.key == 4 || $0.key == 6 } }
            if policy.ech == .strip { left.removeAll { $0.key == 5 } }
            if policy.http3 == .strip, let place = left.firstIndex(where: { $0.key == 1 }) {
                let words = RandomBinding.words(left[place].value).filter { $0 != "h3" && !$0.hasPrefix("h3-") }
                if words.isEmpty { left.removeAll { $0.key == 1 || $0.key == 2 } } else { left[place].value = RandomBinding.alpn(words) }
            }
            let gone = Set(parameters.map(\.key)).subtracting(left.map(\.key))
            if let place = left.firstIndex(where: { $0.key == 0 }) {
                let keys = stride(from: 0, to: left[place].value.count, by: 2).map { Array(left[place].value[$0..<($0 + 2)]) }
                left[place].value = keys.filter { !gone.contains(UInt16($0[0]) << 8 | UInt16($0[1])) }.flatMap { $0 }
                if left[place].value.isEmpty { left.remove(at: place) }
            }
            let head = plain.data.count - ServiceBindingTests.parameters(parameters).count
            return PlainRecord(
                owner: plain.owner, type: plain.type, ttl: plain.ttl, data: plain.data[..<head] + ServiceBindingTests.parameters(left))
        }
    }

    private(set) var records: [Record] = []
    private(set) var bytes: [UInt8] = []
    /// Whether a name behind the first HTTPS record ends in a pointer to something behind it too.
    private(set) var hasPointersBehindBindings = false
    private var random: SeededGenerator
    private let names = ["www.example.org", "a.example.org", "example.org", "ns.example.net", "cdn.example.net", "mail.cdn.example.net"]
    private var known: [[UInt8]: Int] = [:]
    private var firstBindingEnd: Int?

    init(_ generator: inout SeededGenerator) { random = SeededGenerator(seed: generator.next()) }

    static func words(_ value: [UInt8]) -> [String] {
        var words: [String] = []
        var offset = 0
        while offset < value.count {
            let end = offset + 1 + Int(value[offset])
            words.append(String(decoding: value[(offset + 1)..<end], as: UTF8.self))
            offset = end
        }
        return words
    }

    static func alpn(_ words: [String]) -> [UInt8] { words.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } }

    private mutating func chance(_ one: UInt64) -> Bool { random.next() % one == 0 }

    private mutating func pick<T>(_ values: [T]) -> T { values[Int(truncatingIfNeeded: random.next() % UInt64(values.count))] }

    mutating func build() {
        let question = "www.example.org"
        bytes = MessageBuilder(flags: 0x8180, name: [], type: 65).bytes
        bytes.removeLast(4)
        append(name: MessageBuilder.wire(question))
        bytes += [0, 65, 0, 1]
        var owner = question
        if chance(2) {
            owner = "cdn.example.net"
            append(.init(owner: MessageBuilder.wire(question), type: 5, ttl: 60, data: MessageBuilder.wire(owner)))
        }
        for _ in 0...random.next() % 4 { appendBinding(owner, question, type: 65, isAnswer: true) }
        bytes[7] = UInt8(records.count)
        for _ in 0..<random.next() % 4 {
            switch random.next() % 4 {
            case 0: appendBinding(pick(names), question, type: pick([64, 65]), isAnswer: false)
            case 1:
                append(
                    .init(
                        owner: MessageBuilder.wire("example.org"), type: 6, ttl: 900,
                        data: MessageBuilder.wire(pick(names)) + MessageBuilder.wire(pick(names)) + Array(repeating: 1, count: 20)))
            default: append(.init(owner: MessageBuilder.wire(pick(names)), type: 2, ttl: 77, data: MessageBuilder.wire(pick(names))))
            }
        }
        bytes[9] = UInt8(records.count) - bytes[7]
    }

    private mutating func appendBinding(_ owner: String, _ question: String, type: UInt16, isAnswer: Bool) {
        let target = pick(["", owner, question, "edge.example.net", "ns.example.net"])
        let priority: UInt16 = chance(5) ? 0 : UInt16(1 + random.next() % 3)
        var parameters: [(key: UInt16, value: [UInt8])] = []
        if chance(3) {
            parameters.append((0, pick([ServiceBindingTests.keys(1), ServiceBindingTests.keys(4, 5), ServiceBindingTests.keys(3, 5, 6)])))
        }
        if !chance(3) {
            let words = (0...random.next() % 4).map { _ in pick(["h2", "h3", "h3-29", "http/1.1", "dot"]) }
            parameters.append((1, Self.alpn(words)))
        }
        if chance(3) { parameters.append((2, [])) }
        if chance(2) { parameters.append((3, [1, 187])) }
        if chance(2) { parameters.append((4, (0...random.next() % 3).flatMap { [192, 0, 2, UInt8($0)] })) }
        if chance(2) { parameters.append((5, (0..<random.next() % 200).map { UInt8($0) | 0xc0 })) }
        if chance(2) { parameters.append((6, ServiceBindingTests.hint6)) }
        if chance(3) { parameters.append((7, Array("/dns-query{?dns}".utf8))) }
        let plain = PlainRecord(
            owner: MessageBuilder.wire(owner), type: type, ttl: 300,
            data: MessageBuilder.number(priority) + MessageBuilder.wire(target) + ServiceBindingTests.parameters(parameters))
        append(
            plain, parameters: parameters, isOwn: priority > 0 && (target.isEmpty || target == owner || target == question),
            isAnswer: isAnswer)
        if firstBindingEnd == nil { firstBindingEnd = bytes.count }
    }

    private mutating func append(
        _ plain: PlainRecord, parameters: [(key: UInt16, value: [UInt8])]? = nil, isOwn: Bool = false, isAnswer: Bool = true
    ) {
        records.append(Record(plain: plain, parameters: parameters, isOwn: isOwn, isAnswer: isAnswer))
        append(name: plain.owner)
        bytes += MessageBuilder.number(plain.type) + [0, 1] + MessageBuilder.number(plain.ttl) + [0, 0]
        let data = bytes.count
        switch plain.type {
        case 2, 5: append(name: plain.data)
        case 6:
            let first = plain.data.firstIndex(of: 0).map { Array(plain.data[...$0]) } ?? []
            append(name: first)
            let second = Array(plain.data.dropFirst(first.count).dropLast(20))
            append(name: second)
            bytes += plain.data.suffix(20)
        default: bytes += plain.data
        }
        let length = bytes.count - data
        bytes[data - 2] = UInt8(length >> 8)
        bytes[data - 1] = UInt8(length & 0xff)
    }

    /// In full, or from any label on as a pointer to where the rest stood before.
    private mutating func append(name: [UInt8]) {
        var rest = name
        while let length = rest.first, length > 0 {
            if let place = known[rest], !chance(4) {
                if let firstBindingEnd, place >= firstBindingEnd { hasPointersBehindBindings = true }
                bytes += MessageBuilder.pointer(place)
                return
            }
            // The last place is taken as often as the first.
            if known[rest] == nil || chance(2) { known[rest] = bytes.count }
            bytes += rest[...Int(length)]
            rest.removeFirst(1 + Int(length))
        }
        bytes.append(0)
    }
}
