import NetworkTypes

/// An upstream that was down and answers again, and how far its questions have been gone through.
struct ReturnedUpstream {
    let zone: Int
    /// In its zone.
    let number: Int
    /// What is asked from then on is answered.
    let since: Instant
    /// Of a transaction.
    var nextSlot = 0
}
