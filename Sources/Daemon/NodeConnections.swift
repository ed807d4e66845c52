import Conntrack
import Logging
import NetfilterTables
import NetworkTypes
import PolicyModel

/// TCP connections of the node's own processes that were there before host endpoints were enforced.
///
/// Connection tracking may not know them: it sees nothing before some rule asks for it, and an idle connection sends nothing. Its next packet would
/// be taken for the first of a flow, begun by whoever happens to send it: a session into the node would be judged as egress of the node, or dropped as
/// begun in the middle. So what the socket table says is told to conntrack first: who listens on the local port was called, and everything
/// else the node has begun.
enum NodeConnections {
    /// The conntrack entries to be made, as original tuples, for connections of these addresses.
    ///
    /// `isFailsafe`: what conntrack may have picked up in the middle, in the wrong direction, is to be put right. `user`: of a process that has
    /// begun the connection.
    static func originals(
        _ sockets: [NodeSocket], addresses: Set<IPAddress>, failsafe: [FelixConfiguration.FailsafePort]
    ) -> [(original: FlowAddresses, isFailsafe: Bool, user: UInt32?)] {
        let listening = Set(sockets.filter { $0.state == .listen }.map(\.localPort))
        return sockets.compactMap { socket in
            switch socket.state {
            case .established, .finWait1, .finWait2, .closeWait: break
            default: return nil
            }
            // To the node itself: by loopback, which is not judged.
            guard addresses.contains(socket.local), !addresses.contains(socket.remote) else { return nil }
            let sent = FlowAddresses(
                source: socket.local, destination: socket.remote, sourcePort: socket.localPort, destinationPort: socket.remotePort)
            let isFailsafe = failsafe.contains {
                $0.protocol == .tcp && $0.port == socket.localPort && ($0.net?.contains(socket.remote) ?? true)
            }
            let isInbound = isFailsafe || listening.contains(socket.localPort)
            return (isInbound ? sent.reversed : sent, isFailsafe, isInbound ? nil : socket.user)
        }
    }

    /// Tells conntrack, and what belongs to a class is marked to be asked about for that class. Call it right before these addresses are policed.
    static func announce(
        _ addresses: Set<IPAddress>, failsafe: [FelixConfiguration.FailsafePort], classes: [ProcessClassRule], _ layout: MarkLayout,
        _ logger: Logger
    ) {
        guard !addresses.isEmpty else { return }
        var created = 0
        do {
            var conntrack = try ConntrackSocket()
            for (original, isFailsafe, user) in originals(NodeSocket.all("tcp"), addresses: addresses, failsafe: failsafe) {
                if try conntrack.createEstablished(original: original) {
                    created += 1
                } else if isFailsafe, let known = try conntrack.find(original, .tcp), known.original == original.reversed {
                    try conntrack.delete(known.original, .tcp)
                    if try conntrack.createEstablished(original: original) { created += 1 }
                }
                guard let user, let entry = classes.first(where: { $0.isSurelyOf(user: user) }) else { continue }
                _ = try conntrack.setMark(
                    layout.deposit(layout.question(ofClass: UInt32(entry.number), 1)), mask: layout.mask, of: original, .tcp)
            }
        } catch {
            logger.warning("connections of the node could not be told to conntrack", metadata: ["error": "\(error)"])
        }
        if created > 0 { logger.info("connections of the node from before go on", metadata: ["connections": "\(created)"]) }
    }
}
