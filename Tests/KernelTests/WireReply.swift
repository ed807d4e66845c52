/// A DNS message as records that can be compared: names in lower case and whole, so that letter case and compression do not count (RFC 1035 §4).
struct WireReply {
    struct Record: Hashable, CustomStringConvertible {
        let owner: String
        let type: UInt16
        let recordClass: UInt16
        let data: [UInt8]
        var description: String { "\(owner) \(type) \(data.count) bytes" }
    }

    struct Section {
        var records: [Record] = []
        var timesToLive: [UInt32] = []

        /// Without order. A record that is there twice counts twice.
        var counted: [Record: Int] { Dictionary(records.map { ($0, 1) }, uniquingKeysWith: +) }
    }

    let flags: UInt16
    let byteCount: Int
    let question: Record
    private(set) var answer = Section()
    private(set) var authority = Section()
    /// Without OPT.
    private(set) var additional = Section()
    private(set) var optFlags: UInt32?
    private(set) var extendedError: UInt16?

    var code: UInt16 { flags & 0xf }
    var isTruncated: Bool { flags & 0x0200 != 0 }

    /// Nil if it cannot be read to its last byte.
    init?(_ bytes: [UInt8]) {
        var reader = Reader(bytes: bytes)
        guard let header = reader.numbers(6), header[1] & 0x8000 != 0, header[2] == 1 else { return nil }
        guard let owner = reader.name(), let end = reader.numbers(2) else { return nil }
        flags = header[1]
        byteCount = bytes.count
        question = Record(owner: owner, type: end[0], recordClass: end[1], data: [])
        for (section, count) in zip(0..<3, header[3...]) {
            for _ in 0..<count {
                guard let (record, timeToLive) = reader.record() else { return nil }
                if record.type == 41 {
                    optFlags = timeToLive
                    extendedError = Self.extendedError(record.data)
                } else {
                    switch section {
                    case 0: answer.add(record, timeToLive)
                    case 1: authority.add(record, timeToLive)
                    default: additional.add(record, timeToLive)
                    }
                }
            }
        }
        guard reader.offset == bytes.count else { return nil }
    }

    /// The INFO-CODE of option 15 (RFC 8914).
    private static func extendedError(_ data: [UInt8]) -> UInt16? {
        var reader = Reader(bytes: data)
        while let option = reader.numbers(2), let content = reader.take(Int(option[1])) {
            if option[0] == 15, content.count >= 2 { return UInt16(content[0]) << 8 | UInt16(content[1]) }
        }
        return nil
    }

    private struct Reader {
        let bytes: [UInt8]
        var offset = 0

        mutating func take(_ count: Int) -> [UInt8]? {
            guard offset + count <= bytes.count else { return nil }
            offset += count
            return Array(bytes[(offset - count)..<offset])
        }

        mutating func numbers(_ count: Int) -> [UInt16]? {
            take(2 * count).map { taken in (0..<count).map { UInt16(taken[2 * $0]) << 8 | UInt16(taken[2 * $0 + 1]) } }
        }

        mutating func name() -> String? {
            var text = ""
            var place = offset
            var end: Int?
            for _ in 0..<256 {
                guard place < bytes.count else { return nil }
                let length = Int(bytes[place])
                if length >= 0xc0 {
                    guard place + 1 < bytes.count else { return nil }
                    end = end ?? place + 2
                    place = (length & 0x3f) << 8 | Int(bytes[place + 1])
                    continue
                }
                guard place + 1 + length <= bytes.count else { return nil }
                for byte in bytes[(place + 1)..<(place + 1 + length)] {
                    text += (33...126).contains(byte) && byte != 46 ? String(UnicodeScalar(byte)).lowercased() : "\\\(byte)"
                }
                place += 1 + length
                if length == 0 {
                    offset = end ?? place
                    return text.isEmpty ? "." : text
                }
                text += "."
            }
            return nil
        }

        mutating func record() -> (Record, UInt32)? {
            guard let owner = name(), let head = numbers(5), offset + Int(head[4]) <= bytes.count else { return nil }
            let end = offset + Int(head[4])
            var data: [UInt8] = []
            // How many names stand in the data, behind how many bytes.
            let shape: (Int, Int)? =
                switch head[0] {
                case 2, 5, 12, 39: (0, 1)
                case 6: (0, 2)
                case 15: (2, 1)
                case 33: (6, 1)
                default: nil
                }
            if let (fixed, names) = shape {
                guard let start = take(fixed) else { return nil }
                data = start
                for _ in 0..<names {
                    guard let name = name() else { return nil }
                    data += Array(name.utf8) + [0]
                }
            }
            guard offset <= end, let rest = take(end - offset) else { return nil }
            return (
                Record(owner: owner, type: head[0], recordClass: head[0] == 41 ? 0 : head[1], data: data + rest),
                UInt32(head[2]) << 16 | UInt32(head[3])
            )
        }
    }
}

extension WireReply.Section {
    fileprivate mutating func add(_ record: WireReply.Record, _ timeToLive: UInt32) {
        records.append(record)
        timesToLive.append(timeToLive)
    }
}
