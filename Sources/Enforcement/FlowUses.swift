import NetworkTypes

/// Which addresses the endpoints' flows use, at one moment.
public struct FlowUses: Sendable {
    struct Pair: Hashable, Sendable {
        let client: EndpointID
        let address: IPAddress
    }

    var counts: [Pair: Int] = [:]
    /// Of flows for which the table had no room, as of the last two sweeps.
    var beyond: Set<Pair> = []
    /// There were more than can be told apart: every address counts as used.
    var isUnknown = false

    /// Whether a flow of the client uses the address (behind destination NAT). O(1).
    public func contains(_ client: EndpointID, _ address: IPAddress) -> Bool {
        isUnknown || counts[Pair(client: client, address: address)] != nil || beyond.contains(Pair(client: client, address: address))
    }

    mutating func add(_ client: EndpointID, _ address: IPAddress) { counts[Pair(client: client, address: address), default: 0] += 1 }

    mutating func remove(_ client: EndpointID, _ address: IPAddress) {
        let pair = Pair(client: client, address: address)
        guard let count = counts[pair] else { return }
        counts[pair] = count > 1 ? count - 1 : nil
    }
}
