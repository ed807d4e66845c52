import NetworkTypes

/// What one end of a TCP connection sends, put together to messages (RFC 1035 §4.2.2): in order only, so that what the other end reads is what was read
/// here.
struct SnoopedStream {
    enum Step: Equatable {
        /// Nothing that was not there before.
        case old
        /// Bytes before it are missing, and will be sent again, as will it; or it lies before the first byte.
        case apart
        /// This many of its first bytes were there before.
        case new(skipped: Int)
    }

    /// The number of its first byte (RFC 9293 §3.4), and of the one that comes next.
    let start: UInt32
    private(set) var next: UInt32
    private var total = 0
    /// The beginning of a message that has not come whole.
    private(set) var rest: [UInt8] = []

    init(start: UInt32) {
        self.start = start
        next = start
    }

    func step(number: UInt32, count: Int) -> Step {
        let distance = Int(Int32(bitPattern: number &- next))
        if distance > 0 || -distance > total { return .apart }
        return distance + count <= 0 ? .old : .new(skipped: -distance)
    }

    /// Takes the bytes that come next, and shows each message that is whole with them to `judge`. If it refuses one that is the end of the stream.
    mutating func take(_ bytes: Span<UInt8>, _ judge: (Span<UInt8>) -> Bool) -> Bool {
        for index in bytes.indices { rest.append(bytes[index]) }
        next &+= UInt32(bytes.count)
        total += bytes.count
        var offset = 0
        while rest.count - offset >= 2 {
            let length = Int(rest[offset]) << 8 | Int(rest[offset + 1])
            guard rest.count - offset - 2 >= length else { break }
            guard judge(rest.span.extracting(offset + 2..<offset + 2 + length)) else { return false }
            offset += 2 + length
        }
        if offset > 0 { rest.removeFirst(offset) }
        return true
    }
}
