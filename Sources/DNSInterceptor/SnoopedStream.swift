import NetworkTypes

/// What a server sends over one TCP connection, put together to messages (RFC 1035 §4.2.2): in order only, so that what the client reads is what was read here.
struct SnoopedStream {
    enum Step: Equatable {
        /// Nothing that was not there before.
        case old
        /// Bytes before it are missing; they will be sent again, and it too.
        case ahead
        /// This many of its first bytes were there before.
        case new(skipped: Int)
    }

    /// The number of the byte that comes next (RFC 9293 §3.4).
    private(set) var next: UInt32
    /// The beginning of a message that has not come whole.
    private(set) var rest: [UInt8] = []
    var lastSeen: Instant

    init(next: UInt32, now: Instant) {
        self.next = next
        lastSeen = now
    }

    func step(number: UInt32, count: Int) -> Step {
        let distance = Int(Int32(bitPattern: number &- next))
        if distance > 0 { return .ahead }
        return distance + count <= 0 ? .old : .new(skipped: -distance)
    }

    /// Shows each message that is whole with these bytes to `judge`. If it refuses one all stays as it was; else the bytes are taken.
    mutating func take(_ bytes: Span<UInt8>, _ judge: (Span<UInt8>) -> Bool) -> Bool {
        var all = rest
        all.reserveCapacity(rest.count + bytes.count)
        for index in bytes.indices { all.append(bytes[index]) }
        var offset = 0
        while all.count - offset >= 2 {
            let length = Int(all[offset]) << 8 | Int(all[offset + 1])
            guard all.count - offset - 2 >= length else { break }
            guard judge(all.span.extracting(offset + 2..<offset + 2 + length)) else { return false }
            offset += 2 + length
        }
        all.removeFirst(offset)
        rest = all
        next &+= UInt32(bytes.count)
        return true
    }
}
