import Enforcement
import NetworkTypes
import PolicyEngine
import Telemetry

/// A live or ended flow as a line of JSON: the fields of a decision's line, and with them what was sent and when. The names of these are those
/// of Calico's flow logs: `bytes_out`, `packets_in`, `start_time`; out is from the endpoint.
struct FlowLine {
    let json: String

    /// A line of `exeat flows`; its numbers are those of the last sweep.
    init(live flow: TrackedFlow, _ policy: CompiledPolicy) {
        var line = Self.line(flow, policy)
        line.time = BootClock.wallClockText(flow.start)
        line.state =
            switch flow.state {
            case .admitted: "admitted"
            case .live: "live"
            case .denied: "denied"
            }
        line.verdict = flow.state == .denied ? "reject" : "allow"
        json = line.json
    }

    /// A line of the flow log for a flow that has ended.
    init(ended flow: TrackedFlow, _ policy: CompiledPolicy) {
        var line = Self.line(flow, policy)
        let end = flow.end ?? flow.start
        line.time = BootClock.wallClockText(end)
        line.endTime = line.time
        line.durationMilliseconds = end.nanoseconds(since: flow.start) / 1_000_000
        line.verdict = "end"
        json = line.json
    }

    private static func line(_ flow: TrackedFlow, _ policy: CompiledPolicy) -> FlowLogLine {
        var line = FlowLogLine()
        line.source = flow.key.source.description
        line.destination = flow.key.destination.description
        line.transport = flow.key.transport.description
        if flow.key.transport.hasPorts {
            line.sourcePort = flow.key.sourcePort
            line.destinationPort = flow.key.destinationPort
        }
        if flow.originalDestination != flow.key.destination { line.originalDestination = flow.originalDestination.description }
        if let endpoint = policy.endpoint(flow.endpoint) {
            line.endpoint = endpoint.name
            line.namespace = endpoint.namespace
            line.labels = endpoint.labels
        }
        if let admission = flow.admission {
            line.reason = admission.reason.label
            if let name = admission.name { line.names = [name.description] }
            // tier|policy|rule|action: RuleDescription.
            let parts = admission.rule.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            if parts.count == 4 {
                line.tier = parts[0]
                if parts[1] != "default-action" { line.policy = parts[1] }
                if parts[2] != "-" { line.rule = parts[2] }
            }
            line.policyVersion = admission.policyVersion
        }
        line.traffic = FlowLogLine.Traffic(
            bytesOut: flow.traffic.bytesOut, bytesIn: flow.traffic.bytesIn, packetsOut: flow.traffic.packetsOut,
            packetsIn: flow.traffic.packetsIn)
        line.startTime = BootClock.wallClockText(flow.start)
        return line
    }
}
