/// What a client sees of a reply.
struct TestReply {
    let bytes: [UInt8]
    let id: UInt16
    let code: UInt8
    let isTruncated: Bool
    let isRecursionAvailable: Bool
    let question: String
    let answerCount: Int
    /// A records, last byte of each.
    var addresses: [UInt8] = []
    /// TTLs of all records but OPT.
    var ttls: [UInt32] = []
    var extendedError: UInt16?
    var hasEDNS = false

    init?(_ bytes: [UInt8]?) {
        guard let bytes, bytes.count >= 12 else { return nil }
        self.bytes = bytes
        id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        code = bytes[3] & 0x0f
        isTruncated = bytes[2] & 2 != 0
        isRecursionAvailable = bytes[3] & 0x80 != 0
        answerCount = Int(bytes[6]) << 8 | Int(bytes[7])
        guard bytes[5] == 1 else {
            question = ""
            return
        }
        question = TestMessage.questionText(bytes)
        var offset = TestMessage.questionEnd(bytes)
        while offset < bytes.count {
            if bytes[offset] >> 6 == 3 {
                offset += 2
            } else {
                while bytes[offset] != 0 { offset += 1 + Int(bytes[offset]) }
                offset += 1
            }
            let type = UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
            let ttl = bytes[(offset + 4)..<(offset + 8)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let length = Int(bytes[offset + 8]) << 8 | Int(bytes[offset + 9])
            let data = Array(bytes[(offset + 10)..<(offset + 10 + length)])
            if type == 41 {
                hasEDNS = true
                if data.count >= 6 { extendedError = UInt16(data[4]) << 8 | UInt16(data[5]) }
            } else {
                ttls.append(ttl)
                if type == 1 { addresses.append(data[3]) }
            }
            offset += 10 + length
        }
    }
}
