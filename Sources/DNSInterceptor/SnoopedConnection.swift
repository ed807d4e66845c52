import NetworkTypes

/// A TCP connection to a trusted resolver.
struct SnoopedConnection {
    /// What the client sends.
    var asked: SnoopedStream
    /// What comes back; nil until the server's SYN has come.
    var answered: SnoopedStream?
    var lastSeen: Instant
    /// The server has said all.
    var isOver = false

    init(askedFrom number: UInt32, now: Instant) {
        asked = SnoopedStream(start: number)
        lastSeen = now
    }

    /// Bytes of messages that have not come whole.
    var byteCount: Int { asked.rest.count + (answered?.rest.count ?? 0) }

    /// The server's SYN, which has to fit the client's.
    ///
    /// - Parameters:
    ///   - number: of the server's first byte.
    ///   - acknowledged: of the client's byte that it expects next.
    /// - Returns: false if it is none of this connection.
    mutating func open(number: UInt32, acknowledged: UInt32) -> Bool {
        guard acknowledged &- asked.start <= asked.next &- asked.start else { return false }
        if let answered { return answered.start == number }
        answered = SnoopedStream(start: number)
        return true
    }
}
