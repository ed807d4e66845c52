/// A query as an upstream server gets it.
struct UpstreamQuestion: Sendable {
    let id: UInt16
    /// Name, type and class, letter case as it came.
    let bytes: [UInt8]
    /// Lower case; the bytes of each label.
    let labels: [[UInt8]]
    let type: UInt16
    let isOverTCP: Bool

    /// Nil if it is no query with one question.
    init?(_ message: [UInt8], isOverTCP: Bool) {
        guard message.count > 12, message[4] == 0, message[5] == 1 else { return nil }
        var offset = 12
        var labels: [[UInt8]] = []
        while offset < message.count, message[offset] > 0, message[offset] < 64 {
            let end = offset + 1 + Int(message[offset])
            guard end < message.count else { return nil }
            labels.append(message[(offset + 1)..<end].map { (65...90).contains($0) ? $0 | 0x20 : $0 })
            offset = end
        }
        guard offset + 5 <= message.count, message[offset] == 0 else { return nil }
        id = UInt16(message[0]) << 8 | UInt16(message[1])
        bytes = Array(message[12..<(offset + 5)])
        self.labels = labels
        type = UInt16(message[offset + 1]) << 8 | UInt16(message[offset + 2])
        self.isOverTCP = isOverTCP
    }

    /// A label as text, counted from the left; empty if there is none.
    func label(_ position: Int) -> String { position < labels.count ? String(decoding: labels[position], as: UTF8.self) : "" }

    /// An empty reply to it.
    func reply(flags: UInt16 = 0x8180, questionCount: UInt16 = 1) -> WireMessage {
        WireMessage(id: id, flags: flags, question: bytes, questionCount: questionCount)
    }

    /// An empty reply that says "ask over TCP".
    var truncated: WireMessage { reply(flags: 0x8380) }
}
