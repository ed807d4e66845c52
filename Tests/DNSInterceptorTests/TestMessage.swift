/// Builds and reads DNS messages for tests, byte by byte, apart from the code under test.
enum TestMessage {
    static let a: UInt16 = 1
    static let cname: UInt16 = 5
    static let soa: UInt16 = 6
    static let txt: UInt16 = 16
    static let aaaa: UInt16 = 28

    struct Record {
        var owner: String?
        var type: UInt16
        var ttl: UInt32
        var data: [UInt8]

        static func a(_ last: UInt8, ttl: UInt32 = 300, owner: String? = nil) -> Record {
            Record(owner: owner, type: TestMessage.a, ttl: ttl, data: [192, 0, 2, last])
        }

        static func cname(_ target: String, ttl: UInt32 = 300, owner: String? = nil) -> Record {
            Record(owner: owner, type: TestMessage.cname, ttl: ttl, data: name(target))
        }

        /// `count` bytes of text in character strings.
        static func txt(count: Int) -> Record {
            var data: [UInt8] = []
            while data.count < count { data += [200] + [UInt8](repeating: 0x78, count: 200) }
            return Record(owner: nil, type: TestMessage.txt, ttl: 300, data: data)
        }

        static func soa(of zone: String, ttl: UInt32, minimum: UInt32) -> Record {
            let numbers: [UInt32] = [1, 3_600, 600, 86_400, minimum]
            return Record(
                owner: zone, type: TestMessage.soa, ttl: ttl,
                data: name("ns." + zone) + name("admin." + zone) + numbers.flatMap { big32($0) })
        }
    }

    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    static func big16(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
    static func big32(_ value: UInt32) -> [UInt8] { big16(UInt16(value >> 16)) + big16(UInt16(value & 0xffff)) }

    static func query(
        _ text: String, type: UInt16 = a, id: UInt16 = 0x1234, edns: UInt16? = 1_232, isDNSSECOK: Bool = false, version: UInt8 = 0
    ) -> [UInt8] {
        var bytes = big16(id) + [0x01, 0x00] + big16(1) + big16(0) + big16(0) + big16(edns == nil ? 0 : 1)
        bytes += name(text) + big16(type) + big16(1)
        if let edns { bytes += [0] + big16(41) + big16(edns) + [0, version, isDNSSECOK ? 0x80 : 0, 0] + big16(0) }
        return bytes
    }

    /// The end of the question of a message.
    static func questionEnd(_ message: [UInt8]) -> Int {
        var offset = 12
        while message[offset] != 0 { offset += 1 + Int(message[offset]) }
        return offset + 5
    }

    /// The reply to a query as it came: id and question are repeated, an OPT record added if it bore one.
    static func reply(
        to query: [UInt8], _ answers: [Record], authority: [Record] = [], code: UInt8 = 0, isTruncated: Bool = false
    ) -> [UInt8] {
        let hasEDNS = query[11] == 1
        var bytes = Array(query[0..<2]) + [0x80 | query[2] & 0x01 | (isTruncated ? 0x02 : 0), 0x80 | code] + big16(1)
        bytes += big16(UInt16(answers.count)) + big16(UInt16(authority.count)) + big16(hasEDNS ? 1 : 0)
        bytes += query[12..<questionEnd(query)]
        for record in answers + authority {
            bytes += record.owner.map { name($0) } ?? [0xc0, 0x0c]
            bytes += big16(record.type) + big16(1) + big32(record.ttl) + big16(UInt16(record.data.count)) + record.data
        }
        if hasEDNS { bytes += [0] + big16(41) + big16(1_232) + [0, 0, 0, 0] + big16(0) }
        return bytes
    }

    /// The name in the question as text, in its case.
    static func questionText(_ message: [UInt8]) -> String {
        var labels: [String] = []
        var offset = 12
        while offset < message.count, message[offset] != 0 {
            let end = offset + 1 + Int(message[offset])
            labels.append(String(decoding: message[(offset + 1)..<end], as: UTF8.self))
            offset = end
        }
        return labels.joined(separator: ".")
    }
}
