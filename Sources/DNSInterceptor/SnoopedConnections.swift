import NetworkTypes

/// The connections to trusted resolvers that are read. A client that wants more than its share gives up one of its own.
package struct SnoopedConnections {
    package struct Key: Hashable {
        let client: IPAddress
        let clientPort: UInt16
        let server: IPAddress
    }

    private struct Client {
        /// In the order in which they began.
        var keys: [Key] = []
        var byteCount = 0
    }

    private let limits: SnoopLimits
    private var connections: [Key: SnoopedConnection] = [:]
    private var clients: [IPAddress: Client] = [:]
    private var byteCount = 0
    private var lastSweep = Instant(nanoseconds: 0)

    init(_ limits: SnoopLimits) { self.limits = limits }

    subscript(key: Key) -> SnoopedConnection? { connections[key] }

    /// False if there is no room for another one.
    mutating func begin(_ key: Key, _ connection: SnoopedConnection) -> Bool {
        remove(key)
        if !hasRoom(for: key.client) { sweep(connection.lastSeen) }
        if !hasRoom(for: key.client), let own = clients[key.client]?.keys {
            if let victim = own.first(where: { connections[$0]?.isOver == true }) ?? own.first { remove(victim) }
        }
        guard hasRoom(for: key.client) else { return false }
        connections[key] = connection
        clients[key.client, default: Client()].keys.append(key)
        return true
    }

    /// Takes it out, so that its bytes have no second owner; `put` puts it back.
    mutating func take(_ key: Key) -> SnoopedConnection? { connections.removeValue(forKey: key) }

    /// False if there is no room for its bytes; it is forgotten then.
    mutating func put(_ key: Key, _ connection: SnoopedConnection, bytesBefore: Int) -> Bool {
        connections[key] = connection
        let more = connection.byteCount - bytesBefore
        guard more != 0 else { return true }
        byteCount += more
        clients[key.client, default: Client()].byteCount += more
        if byteCount > limits.bytesMax { sweep(connection.lastSeen) }
        if byteCount <= limits.bytesMax, clients[key.client, default: Client()].byteCount <= limits.bytesPerClientMax { return true }
        remove(key)
        return false
    }

    mutating func remove(_ key: Key) {
        guard let gone = connections.removeValue(forKey: key), var client = clients[key.client] else { return }
        byteCount -= gone.byteCount
        client.byteCount -= gone.byteCount
        client.keys.removeAll { $0 == key }
        clients[key.client] = client.keys.isEmpty ? nil : client
    }

    private func hasRoom(for client: IPAddress) -> Bool {
        let (left, ofClient) = (limits.connectionsMax - connections.count, clients[client]?.keys.count ?? 0)
        // Nobody has more than he leaves to others.
        return ofClient < limits.connectionsPerClientMax && ofClient < left
    }

    /// Those that are over, or were silent for long, go; at most once a second.
    private mutating func sweep(_ now: Instant) {
        guard now.nanoseconds(since: lastSweep) >= 1_000_000_000 else { return }
        lastSweep = now
        for (key, connection) in connections {
            let seconds = connection.isOver ? limits.endedConnectionSeconds : limits.connectionSeconds
            if now.nanoseconds(since: connection.lastSeen) > seconds * 1_000_000_000 { remove(key) }
        }
    }
}
