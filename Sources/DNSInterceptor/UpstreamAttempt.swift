import NetworkTypes

/// One try of a question at one upstream, over UDP or TCP.
struct UpstreamAttempt {
    /// It is waited for.
    var isOpen = false
    /// Of the upstreams of its zone.
    var upstream = 0
    /// UDP: a socket of its own, or -1. The kernel gives it a random port, and, being connected, lets through only what comes from the server
    /// and port that were asked.
    var descriptor: Int32 = -1
    /// TCP: the connection that it shares with others, by slot and generation.
    var connection: (slot: Int, generation: UInt32) = (-1, 0)
    var isTCP = false
    /// When the query was sent or queued.
    var askedAt = Instant(nanoseconds: 0)
    var hasEDNS = true
    var id: UInt16 = 0
    /// The question as it was sent: name in its random case, type, class.
    var question: [UInt8] = []
}
