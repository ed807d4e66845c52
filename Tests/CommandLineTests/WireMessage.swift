/// A DNS message in the making, well formed or not (RFC 1035 §4).
struct WireMessage: Sendable {
    enum Section: Int {
        case answer = 6
        case authority = 8
        case additional = 10
    }

    private(set) var bytes: [UInt8]

    /// A pointer to the name of the question.
    static let question: [UInt8] = [0xc0, 12]

    /// - Parameter flags: 0x0100 for a query, 0x8180 for a reply.
    init(id: UInt16, flags: UInt16, question: [UInt8], questionCount: UInt16 = 1) {
        bytes = Self.number(id) + Self.number(flags) + Self.number(questionCount) + [0, 0, 0, 0, 0, 0] + question
    }

    /// Labels, the root at the end.
    static func name(_ labels: [[UInt8]]) -> [UInt8] { labels.flatMap { [UInt8($0.count)] + $0 } + [0] }

    static func name(_ text: String) -> [UInt8] { name(text.split(separator: ".").map { Array($0.utf8) }) }

    static func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }

    static func pointer(_ offset: Int) -> [UInt8] { number(0xc000 | UInt16(offset & 0x3fff)) }

    /// Appends one record and counts it.
    func adding(
        _ type: UInt16, _ data: [UInt8], to section: Section = .answer, owner: [UInt8] = question, class recordClass: UInt16 = 1,
        ttl: UInt32 = 300
    ) -> WireMessage {
        var message = self
        message.bytes += owner + Self.number(type) + Self.number(recordClass) + Self.number(UInt16(ttl >> 16))
        message.bytes += Self.number(UInt16(ttl & 0xffff)) + Self.number(UInt16(data.count)) + data
        return message.counting(section, 1)
    }

    func a(owner: [UInt8] = question, _ address: [UInt8], ttl: UInt32 = 300) -> WireMessage { adding(1, address, owner: owner, ttl: ttl) }

    func appending(_ more: [UInt8]) -> WireMessage {
        var message = self
        message.bytes += more
        return message
    }

    /// Adds to the count of a section.
    func counting(_ section: Section, _ more: Int) -> WireMessage {
        var message = self
        let count = UInt16(bytes[section.rawValue]) << 8 | UInt16(bytes[section.rawValue + 1])
        message.bytes.replaceSubrange(section.rawValue..<(section.rawValue + 2), with: Self.number(count + UInt16(more)))
        return message
    }
}
