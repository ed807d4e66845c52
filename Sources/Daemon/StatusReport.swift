import Enforcement
import NetfilterQueue
import NetworkTypes
import PolicyEngine
import Telemetry

/// The lines of `exeat status`, `endpoints` and `bindings`: JSON objects, which the command line prints as they are or as a table.
enum StatusReport {
    static func lines(
        configuration: ExeatConfiguration, control: ControlPlane.Status, guardReport: GuardReport, isReady: Bool, uptime: UInt64,
        flowLog: FlowLog, dnsLog: DNSLog?, names: NameReport, upstreamsDown: Int, flows: FlowReport, queues: [QueueReport]
    ) -> [String] {
        var line = JSONLine()
        line.add("version", ExeatVersion.text)
        line.add("mode", configuration.mode.rawValue)
        line.add("ready", isReady)
        line.add("uptime_seconds", uptime / 1_000_000_000)
        line.add("table_current", !control.isTableBehind)
        line.add("table_repairs", control.tableRepairs)
        line.add("holder_up", guardReport.isHolderAlive.load(ordering: .relaxed))
        line.add("queue_foreign", guardReport.closedByForeignQueue.load(ordering: .relaxed) != 0)
        line.add("dns_worker_answers", names.isCurrent)
        line.add("upstreams_down", upstreamsDown)
        line.add("policy_version", control.policyVersion)
        line.add("policies", control.policies)
        line.add("endpoints", control.endpoints)
        line.add("endpoints_unnumbered", control.unnumberedEndpoints)
        line.add("last_reload_successful", control.lastReloadSucceeded)
        if let failure = control.lastFailure { line.add("last_reload_failure", failure) }
        line.add("bindings", names.bindings)
        line.add("names", names.names)
        line.add("recovered_bindings", names.counters.recovered)
        line.add("queued_packets", queues.reduce(0) { $0 + $1.counters.packets })
        line.add("kernel_queue_drops", QueueStatistics.all().reduce(0) { $0 + $1.dropped + $1.userDropped })
        line.add("kernel_leases", control.kernelLeases)
        line.add("leased_flows", control.counter(.leased))
        line.add("capped_endpoints", flows.capped)
        line.add("lost_flow_records", flowLog.droppedRecords)
        line.add("unwritten_log_lines", flowLog.writeErrors + (dnsLog?.writeErrors ?? 0))
        if let stub = control.stubResolver { line.add("stub_resolver", stub) }
        if let other = control.otherResolver { line.add("other_resolver", other) }
        for drop in control.kernelDrops { line.add("kernel_\(drop.reason)_packets", drop.packets) }
        return [line.finished]
    }

    static func endpoints(_ policy: CompiledPolicy) -> [String] {
        policy.endpoints.map { endpoint in
            var line = JSONLine()
            line.add("endpoint", endpoint.identity)
            line.add("interface", endpoint.interfaceName)
            line.add("addresses", endpoint.addresses.map(\.description))
            line.add("labels", endpoint.labels)
            line.add("policed", endpoint.isPoliced)
            line.add("generation", endpoint.generation)
            return line.finished
        }
    }

    static func bindings(_ gate: borrowing WorkerGate, _ policy: CompiledPolicy, now: Instant) -> [String] {
        var lines: [String] = []
        gate.names.forEachBinding { client, name, address, expiry, state in
            var line = JSONLine()
            line.add("endpoint", policy.endpoint(client)?.identity ?? "#\(client.rawValue)")
            line.add("name", name.description)
            line.add("address", address.description)
            line.add("state", state == .draining || expiry < now ? "draining" : "live")
            line.add("remaining_milliseconds", expiry.nanoseconds(since: now) / 1_000_000)
            lines.append(line.finished)
        }
        return lines.sorted()
    }
}
