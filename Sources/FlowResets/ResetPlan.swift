import Conntrack
import Enforcement
import NetworkTypes

/// Which segments end the connection of a refused packet, and where each is to be routed.
///
/// Each segment bears the addresses of one direction of the conntrack entry, as a packet from its sender would when it enters the node. So
/// connection tracking knows it as part of the flow, translates its addresses as it does theirs, and closes the entry when the sequence number is the one
/// that the receiver expects.
public struct ResetPlan: Hashable, Sendable {
    public struct Step: Hashable, Sendable {
        public let segment: ResetSegment
        /// Where it will have to go once its addresses are translated.
        public let route: IPAddress
    }

    /// The receiver of the refused packet first.
    public let steps: [Step]

    public init(_ reset: FlowReset, _ entry: ConntrackEntry) {
        let (along, against) = reset.isReply ? (entry.reply, entry.original) : (entry.original, entry.reply)
        var steps: [Step] = []
        // The packet would have been the next that the receiver sees. One without ACK begins a connection, of which the receiver knows nothing.
        if reset.isAcknowledging {
            let segment = ResetSegment(
                source: along.source, destination: along.destination, sourcePort: along.sourcePort, destinationPort: along.destinationPort,
                sequence: reset.sequence, acknowledgement: reset.acknowledgement)
            steps.append(Step(segment: segment, route: against.source))
        }
        // RFC 9293 §3.10.7.1: the sequence number of an answer is what was acknowledged, or the answer acknowledges.
        if reset.resetsSender {
            let segment = ResetSegment(
                source: against.source, destination: against.destination, sourcePort: against.sourcePort,
                destinationPort: against.destinationPort, sequence: reset.isAcknowledging ? reset.acknowledgement : 0,
                acknowledgement: reset.isAcknowledging ? nil : reset.sequence &+ reset.sequenceLength)
            steps.append(Step(segment: segment, route: along.source))
        }
        self.steps = steps
    }
}
