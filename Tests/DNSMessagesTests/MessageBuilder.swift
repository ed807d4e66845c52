/// Builds DNS messages for tests, good ones and others: nothing is checked, nothing is compressed unless asked for.
struct MessageBuilder {
    enum Section: Int {
        case answer = 6
        case authority = 8
        case additional = 10
    }

    private(set) var bytes: [UInt8]

    /// A header and one question. `flags` are the second two bytes of the header.
    init(id: UInt16 = 0x1234, flags: UInt16, name: [UInt8], type: UInt16, class questionClass: UInt16 = 1) {
        bytes = Self.number(id) + Self.number(flags) + [0, 1, 0, 0, 0, 0, 0, 0] + name + Self.number(type) + Self.number(questionClass)
    }

    static func query(_ name: String = "www.example.org", type: UInt16 = 1, flags: UInt16 = 0x0100) -> MessageBuilder {
        MessageBuilder(flags: flags, name: wire(name), type: type)
    }

    static func response(_ name: String = "www.example.org", type: UInt16 = 1, flags: UInt16 = 0x8180) -> MessageBuilder {
        MessageBuilder(flags: flags, name: wire(name), type: type)
    }

    /// A name in wire form, without escapes.
    static func wire(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    static func pointer(_ offset: Int) -> [UInt8] { [0xc0 | UInt8(offset >> 8), UInt8(offset & 0xff)] }
    static func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
    static func number(_ value: UInt32) -> [UInt8] { number(UInt16(value >> 16)) + number(UInt16(value & 0xffff)) }

    /// Appends a record and counts it. `length` lies about RDLENGTH.
    func adding(
        _ section: Section, _ owner: [UInt8], _ type: UInt16, ttl: UInt32 = 300, class recordClass: UInt16 = 1, _ data: [UInt8],
        length: UInt16? = nil
    ) -> MessageBuilder {
        var next = self
        next.bytes +=
            owner + Self.number(type) + Self.number(recordClass) + Self.number(ttl) + Self.number(length ?? UInt16(data.count)) + data
        return next.counting(section, 1)
    }

    /// Appends a record whose owner is a pointer to the question.
    func adding(
        _ section: Section, _ type: UInt16, ttl: UInt32 = 300, class recordClass: UInt16 = 1, _ data: [UInt8], length: UInt16? = nil
    ) -> MessageBuilder {
        adding(section, Self.pointer(12), type, ttl: ttl, class: recordClass, data, length: length)
    }

    /// Appends an answer whose owner is a pointer to the question.
    func adding(
        _ type: UInt16, ttl: UInt32 = 300, class recordClass: UInt16 = 1, _ data: [UInt8], length: UInt16? = nil
    ) -> MessageBuilder {
        adding(.answer, Self.pointer(12), type, ttl: ttl, class: recordClass, data, length: length)
    }

    func adding(_ section: Section, _ owner: String, _ type: UInt16, ttl: UInt32 = 300, _ data: [UInt8]) -> MessageBuilder {
        adding(section, Self.wire(owner), type, ttl: ttl, data)
    }

    func adding(_ owner: String, _ type: UInt16, ttl: UInt32 = 300, _ data: [UInt8]) -> MessageBuilder {
        adding(.answer, Self.wire(owner), type, ttl: ttl, data)
    }

    func a(_ owner: [UInt8] = pointer(12), _ last: UInt8 = 1, ttl: UInt32 = 300) -> MessageBuilder {
        adding(.answer, owner, 1, ttl: ttl, [192, 0, 2, last])
    }

    func cname(_ owner: String, _ target: String, ttl: UInt32 = 300) -> MessageBuilder {
        adding(.answer, Self.wire(owner), 5, ttl: ttl, Self.wire(target))
    }

    func opt(size: UInt16 = 1_232, ttl: UInt32 = 0, options: [UInt8] = []) -> MessageBuilder {
        adding(.additional, [0], 41, ttl: ttl, class: size, options)
    }

    func soa(_ zone: String = "example.org", ttl: UInt32 = 900, minimum: UInt32 = 60) -> MessageBuilder {
        let numbers = [1, 7_200, 900, 1_209_600, minimum].flatMap { (value: UInt32) in Self.number(value) }
        return adding(.authority, zone, 6, ttl: ttl, Self.wire("ns.\(zone)") + Self.wire("hostmaster.\(zone)") + numbers)
    }

    func rrsig(_ owner: [UInt8] = pointer(12), covering type: UInt16, ttl: UInt32 = 300) -> MessageBuilder {
        let fixed = Self.number(type) + [8, 3] + Self.number(ttl) + Self.number(UInt32(1)) + Self.number(UInt32(0)) + [0x12, 0x34]
        return adding(.answer, owner, 46, ttl: ttl, fixed + Self.wire("example.org") + Array(repeating: 7, count: 128))
    }

    /// HTTPS with priority 1, its own name as target, alpn h2, and hints 192.0.2.7 and 2001:db8::7.
    static let httpsData: [UInt8] =
        [0, 1, 0] + [0, 1, 0, 3, 2, 0x68, 0x32] + [0, 4, 0, 4, 192, 0, 2, 7]
        + [0, 6, 0, 16, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]

    /// Adds to a count of the header without adding a record.
    func counting(_ section: Section, _ amount: Int) -> MessageBuilder { setting16(section.rawValue) { UInt16(Int($0) + amount) } }

    func setting16(_ offset: Int, _ change: (UInt16) -> UInt16) -> MessageBuilder {
        var next = self
        let value = change(UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1]))
        next.bytes[offset] = UInt8(value >> 8)
        next.bytes[offset + 1] = UInt8(value & 0xff)
        return next
    }

    func appending(_ raw: [UInt8]) -> MessageBuilder {
        var next = self
        next.bytes += raw
        return next
    }
}
