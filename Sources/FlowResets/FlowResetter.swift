import Conntrack
import Enforcement
import NetworkTypes

/// Ends TCP connections of which a packet was refused, at both ends.
///
/// nft `reject` answers the sender of a refused packet; its receiver would wait for ever. The flow is looked up in connection tracking, which knows
/// the addresses of both ends, and the receiver (and the sender, if nobody else does) gets a reset with the exact sequence number. If other packets were on their
/// way the number may not be exact: then the receiver asks (RFC 5961 §3.2), its question is refused too, and the answer to it has the exact number.
///
/// One owner, on a thread of its own. Bounded: `perSecondMax` records, and `walksPerSecondMax` walks over the whole table, which are needed where both addresses
/// of a flow were translated and the caller does not know its original tuple.
public struct FlowResetter: ~Copyable {
    public enum Outcome: Hashable, Sendable {
        /// With the number of segments.
        case sent(Int)
        /// The flow has ended.
        case noFlow
        /// More than the bound.
        case limited
    }

    public static let perSecondMax = 2_000
    public static let walksPerSecondMax = 5

    private var conntrack: ConntrackSocket
    private let v4: RawSocket
    private let v6: RawSocket
    private var window = Instant(nanoseconds: 0)
    private var records = 0
    private var walks = 0

    /// Opens the sockets in the calling thread's network namespace: needs CAP_NET_ADMIN and CAP_NET_RAW, later calls do not.
    public init() throws(ResetError) {
        let conntrack = try Self.openConntrack()
        let v4 = try RawSocket(.v4)
        let v6 = try RawSocket(.v6)
        self.init(conntrack: conntrack, v4: v4, v6: v6)
    }

    private init(conntrack: consuming ConntrackSocket, v4: consuming RawSocket, v6: consuming RawSocket) {
        self.conntrack = conntrack
        self.v4 = v4
        self.v6 = v6
    }

    private static func openConntrack() throws(ResetError) -> ConntrackSocket {
        do throws(ConntrackError) {
            return try ConntrackSocket()
        } catch {
            throw .conntrack(error)
        }
    }

    /// Resets the connection of a refused packet. `original` is the flow's original tuple where the caller knows it.
    public mutating func reset(_ reset: FlowReset, original: FlowAddresses? = nil, now: Instant) throws(ResetError) -> Outcome {
        if now.nanoseconds(since: window) >= 1_000_000_000 {
            window = now
            records = 0
            walks = 0
        }
        guard records < Self.perSecondMax else { return .limited }
        records += 1
        let mayWalk = walks < Self.walksPerSecondMax
        let found: ConntrackEntry?
        do throws(ConntrackError) {
            found = try find(reset, original: original, walks: mayWalk)
        } catch {
            throw .conntrack(error)
        }
        guard let found else { return mayWalk ? .noFlow : .limited }
        let plan = ResetPlan(reset, found)
        for step in plan.steps {
            let bytes = step.segment.bytes
            if step.route.family == .v4 { try v4.send(bytes, to: step.route) } else { try v6.send(bytes, to: step.route) }
        }
        return .sent(plan.steps.count)
    }

    private mutating func find(_ reset: FlowReset, original: FlowAddresses?, walks mayWalk: Bool) throws(ConntrackError) -> ConntrackEntry?
    {
        let (originator, originatorPort, responder, responderPort) =
            reset.isReply
            ? (reset.destination, reset.destinationPort, reset.source, reset.sourcePort)
            : (reset.source, reset.sourcePort, reset.destination, reset.destinationPort)
        if let original, let entry = try conntrack.find(original, .tcp), entry.original == original, entry.reply.source == responder,
            entry.reply.sourcePort == responderPort
        {
            return entry
        }
        if let entry = try conntrack.find(
            originator: originator, port: originatorPort, responder: responder, port: responderPort, .tcp, walks: false)
        {
            return entry
        }
        guard mayWalk else { return nil }
        walks += 1
        return try conntrack.find(
            originator: originator, port: originatorPort, responder: responder, port: responderPort, .tcp, walks: true)
    }
}
