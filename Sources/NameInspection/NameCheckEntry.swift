import NetworkTypes

/// A flow of the `NameCheckTable`.
struct NameCheckEntry: Sendable {
    enum Check: Sendable {
        case stream(StreamNameCheck)
        case datagrams(DatagramNameCheck)
        /// A TCP connection that was decided.
        case done
    }

    enum State: Hashable, Sendable {
        /// No data yet.
        case open
        /// Packets wait.
        case waiting
        case settled
    }

    let client: EndpointID
    var check: Check
    var state: State = .open
    /// What `settle` was told last. Until then nothing is allowed.
    var isAllowed = false
    /// It was decided before.
    var wasSettled = false
    /// Of the deadline that counts.
    var serial: UInt64 = 0
    var due: Instant
    var packets: [UInt32] = []
    /// As counted for the client.
    var byteCount = 0
    /// The name under which the flow was decided last.
    var name: SeenName?

    init(client: EndpointID, check: Check, due: Instant) {
        self.client = client
        self.check = check
        self.due = due
    }
}
