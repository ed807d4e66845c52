import DNSMessages
import Enforcement
import NetworkTypes

/// A client's query that waits for an upstream's answer.
struct WaitingQuery: BitwiseCopyable {
    let query: DNSQuery
    let client: DNSClient
    let source: IPAddress
    let origin: QueryOrigin
    let arrivedAt: Instant
    /// The guard against tunnels would have refused it.
    var isSuspect = false

    var share: ClientShare { ClientShare(client, at: source) }
}
