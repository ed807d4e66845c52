import DNSInterceptor
import Enforcement
import NameInspection
import NetfilterQueue
import NetfilterTables
import PacketHeaders
import PolicyEngine
import Telemetry

/// Everything that `/metrics` shows. Names: `exeat_<subsystem>_<what>_<unit>`; labels come from closed sets.
enum MetricsPage {
    static func render(
        control: ControlPlane.Status, guardReport: GuardReport, verdicts: [VerdictCounters], hellos: [HelloCounters],
        forgottenNames: UInt64, queues: [QueueReport], flowLog: FlowLog, dnsLog: DNSLog?, holds: HoldLink?,
        dns: DNSTotals, liveUpstreams: LiveUpstreams.Report, authorityFiles: AuthorityFiles.Report, names: NameReport, flows: FlowReport,
        lostFacts: UInt64, isReady: Bool,
        mode: VerdictEngine.Mode, dnsPort: UInt16
    ) -> String {
        var families: [MetricFamily] = [
            MetricFamily(
                "exeat_build", .info, help: "The version that runs.",
                samples: [.init(labels: [("version", ExeatVersion.text), ("mode", mode.rawValue)], value: 1)]),
            MetricFamily("exeat_ready", .gauge, help: "1 while policy is enforced and DNS is served.", value: isReady ? 1 : 0),
            MetricFamily(
                "exeat_verdicts", .counter, help: "Packets decided, by reason.", by: "reason",
                VerdictReason.allCases.map { reason in (reason.label, verdicts.reduce(0) { $0 + $1.count(of: reason) }) }),
            MetricFamily(
                "exeat_malformed_packets", .counter, help: "Packets that could not be parsed, by fault.", by: "fault",
                PacketError.allCases.map { fault in (fault.label, verdicts.reduce(0) { $0 + $1.count(of: fault) }) }),
            MetricFamily(
                "exeat_staged_turns", .counter, help: "Decisions that staged policies would turn round, by what they would become.",
                by: "verdict",
                [
                    ("allow", verdicts.reduce(0) { $0 + $1.stagedTurns(intoAllow: true) }),
                    ("deny", verdicts.reduce(0) { $0 + $1.stagedTurns(intoAllow: false) }),
                ]),
            MetricFamily(
                "exeat_revoked_flows", .counter, help: "Flows that were admitted once and refused when they were decided again.",
                value: verdicts.reduce(0) { $0 + $1.revocations }),
            MetricFamily(
                "exeat_kernel_refused_packets", .counter, help: "Packets that rules of the table dropped or rejected, by reason.",
                by: "reason", control.kernelDrops.map { ($0.reason, $0.packets) }),
        ]
        families +=
            leases(control, verdicts) + self.holds(holds, verdicts) + self.hellos(hellos, forgottenNames, names) + policy(control)
            + tamper(guardReport) + bindings(names)
            + self.flows(flows, lostFacts)
            + queue(queues) + log(flowLog) + log(dnsLog) + MetricFamily.grouped(dns.snapshot() + unasked(control))
            + [workers(dns)] + self.liveUpstreams(liveUpstreams, authorityFiles) + servers(dns.upstreams) + coreDNS(dns, port: dnsPort)
        return OpenMetricsText.render(families)
    }

    /// Replies that came to no socket, as the kernel counts them, beside those that came to one.
    private static func unasked(_ control: ControlPlane.Status) -> [(name: String, labels: [(String, String)], value: Double)] {
        [("no_socket", TableCounter.unaskedAnswer), ("server", .strangerAnswer)].map { reason, counter in
            ("exeat_dns_wrong_replies_total", [("reason", reason)], Double(control.counter(counter)))
        }
    }

    private static func workers(_ dns: DNSTotals) -> MetricFamily {
        MetricFamily(
            "exeat_dns_worker_queries", .counter, help: "Queries that came to one of the DNS workers.", by: "worker",
            dns.workers.enumerated().map { ("\($0.offset)", $0.element[.queriesUDP] + $0.element[.queriesTCP]) })
    }

    /// One that is named twice in a zone, by address and in a file, or asked by several workers, counts as one, up if any of them is.
    private static func servers(_ reports: [UpstreamReport]) -> [MetricFamily] {
        struct Server: Hashable { let zone, server: String }
        struct State {
            var tally: [Double] = [0, 0, 0, 0]
            var isUp = false
        }
        var order: [Server] = []
        var states: [Server: State] = [:]
        for report in reports {
            let server = Server(zone: report.zone.description, server: report.upstream.description)
            if states[server] == nil { order.append(server) }
            let tally = report.tally
            let numbers = [
                Double(tally.queries), Double(tally.failures), Double(tally.answers), Double(tally.answerNanoseconds) / 1_000_000_000,
            ]
            states[server, default: State()].isUp = report.isUp || states[server]?.isUp ?? false
            for (index, number) in numbers.enumerated() { states[server]?.tally[index] += number }
        }
        func family(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: (State) -> Double) -> MetricFamily {
            MetricFamily(
                "exeat_dns_upstream_server_" + name, kind, help: help,
                samples: order.map { server in
                    .init(labels: [("zone", server.zone), ("server", server.server)], value: value(states[server] ?? State()))
                })
        }
        return [
            family("queries", .counter, "Queries sent to one upstream of a zone.") { $0.tally[0] },
            family("failures", .counter, "Those that brought no answer.") { $0.tally[1] },
            family("answers", .counter, "Answers whose time was taken.") { $0.tally[2] },
            family("answer_seconds", .counter, "Their time in all.") { $0.tally[3] },
            family("up", .gauge, "1 while the upstream answers.") { $0.isUp ? 1 : 0 },
        ]
    }

    private static func liveUpstreams(_ report: LiveUpstreams.Report, _ authorities: AuthorityFiles.Report) -> [MetricFamily] {
        [
            MetricFamily(
                "exeat_dns_upstream_authority_readings", .counter,
                help: "Readings of files of certificate authorities that said something new, by what came of it.", by: "result",
                [("taken", authorities.changes), ("refused", authorities.failures)]),
            MetricFamily(
                "exeat_dns_upstream_file_readings", .counter,
                help: "Readings of files and services of upstreams that said something new, by what came of it.", by: "result",
                [("taken", report.changes), ("refused", report.failures)]),
            MetricFamily(
                "exeat_dns_upstream_file_ignored_entries", .counter,
                help: "Entries of files and services of upstreams that were passed over.",
                value: report.ignoredEntries),
        ]
    }

    private static func hellos(_ hellos: [HelloCounters], _ forgotten: UInt64, _ names: NameReport) -> [MetricFamily] {
        func sum(_ value: (HelloCounters) -> UInt64) -> UInt64 { hellos.reduce(0) { $0 + value($1) } }
        return [
            MetricFamily(
                "exeat_name_checks", .counter, help: "Flows whose name in the hello was looked for, by what came of it.", by: "result",
                HelloRecord.Result.allCases.map { result in (result.label, sum { $0[result] }) }),
            MetricFamily(
                "exeat_name_check_faults", .counter, help: "Why no name could be read.", by: "fault",
                NameFault.allCases.map { fault in (fault.label, sum { $0[fault] }) }),
            MetricFamily(
                "exeat_name_check_outer_names", .counter, help: "Names that stood outside of an encrypted hello (ECH), which decided.",
                value: sum(\.outerNames)),
            MetricFamily(
                "exeat_name_check_refused", .counter, help: "Flows whose name could not be looked for, because the table was full.",
                value: sum(\.refusals)),
            MetricFamily(
                "exeat_name_check_expired", .counter, help: "Connections that were forgotten without any data.", value: sum(\.expiries)),
            MetricFamily(
                "exeat_name_check_waiting_packets", .gauge, help: "Packets that wait for a name.",
                value: hellos.reduce(0) { $0 + $1.waitingPackets }),
            MetricFamily(
                "exeat_name_check_flows", .gauge, help: "Flows that are kept in mind for their name.",
                value: hellos.reduce(0) { $0 + $1.flowCount }),
            MetricFamily(
                "exeat_name_check_forgotten", .counter,
                help: "Flows whose good name is remembered no longer, because others needed the room.",
                value: forgotten),
            MetricFamily(
                "exeat_name_check_unindexed_bindings", .counter, help: "Bindings whose name found no room where hellos look it up.",
                value: names.counters.unindexed),
        ]
    }

    private static func leases(_ control: ControlPlane.Status, _ verdicts: [VerdictCounters]) -> [MetricFamily] {
        [
            MetricFamily("exeat_kernel_leases", .gauge, help: "Verdicts that the kernel remembers.", value: control.kernelLeases),
            MetricFamily(
                "exeat_kernel_leased_flows", .counter, help: "First packets that passed by a kernel lease.", value: control.counter(.leased)
            ),
            MetricFamily(
                "exeat_kernel_leases_asked", .counter, help: "Verdicts that asked for a lease.",
                value: verdicts.reduce(0) { $0 + $1.leases(isGranted: true) }),
            MetricFamily(
                "exeat_kernel_leases_refused", .counter, help: "Leases that were not given, by limit.", by: "limit",
                [
                    ("endpoint", verdicts.reduce(0) { $0 + $1.leases(isGranted: false) }), ("map", control.counter(.leaseRefused)),
                ]),
        ]
    }

    private static func holds(_ link: HoldLink?, _ verdicts: [VerdictCounters]) -> [MetricFamily] {
        [
            MetricFamily(
                "exeat_held_packets", .gauge, help: "Packets that wait for an answer on its way to their client.",
                value: verdicts.reduce(0) { $0 + $1.held }),
            MetricFamily(
                "exeat_holds", .counter, help: "Packets that were to wait for an answer, by what became of them.", by: "outcome",
                HoldOutcome.allCases.map { outcome in (outcome.label, verdicts.reduce(0) { $0 + $1.holds(outcome) }) }),
            MetricFamily(
                "exeat_redials", .counter, help: "Names to be resolved again for a client that dials an address whose binding has ended.",
                by: "outcome", RedialOutcome.allCases.map { ($0.label, link?.count(of: $0) ?? 0) }),
        ]
    }

    private static func policy(_ control: ControlPlane.Status) -> [MetricFamily] {
        [
            MetricFamily("exeat_policy_version", .gauge, help: "Version of the policy in force.", value: control.policyVersion),
            MetricFamily("exeat_policy_policies", .gauge, help: "Policies in force.", value: control.policies),
            MetricFamily("exeat_policy_endpoints", .gauge, help: "Endpoints known.", value: control.endpoints),
            MetricFamily(
                "exeat_policy_endpoints_unnumbered", .gauge, help: "Endpoints beyond endpointsMax: all of their traffic is refused.",
                value: control.unnumberedEndpoints),
            MetricFamily("exeat_policy_reloads", .counter, help: "Reloads tried.", value: control.reloads),
            MetricFamily(
                "exeat_policy_reload_failures", .counter, help: "Reloads refused; the last good policy stayed.",
                value: control.failedReloads),
            MetricFamily(
                "exeat_policy_last_reload_successful", .gauge, help: "0 while a changed policy waits to be mended.",
                value: control.lastReloadSucceeded ? 1 : 0),
            MetricFamily(
                "exeat_policy_generation_changes", .counter, help: "Endpoints whose effective policy changed.",
                value: control.generationChanges),
            MetricFamily("exeat_table_repairs", .counter, help: "Times the table was installed anew.", value: control.tableRepairs),
        ]
    }

    private static func tamper(_ report: GuardReport) -> [MetricFamily] {
        [
            MetricFamily(
                "exeat_table_foreign_changes", .counter, help: "Transactions of other processes that touched our table.",
                value: report.foreignChanges.load(ordering: .relaxed)),
            MetricFamily(
                "exeat_table_lost_announcements", .counter, help: "Times announcements of nf_tables were lost and the table was compared.",
                value: report.lostAnnouncements.load(ordering: .relaxed)),
            MetricFamily(
                "exeat_queue_foreign", .gauge, help: "1 while another process has one of our queue numbers and new flows are refused.",
                value: report.closedByForeignQueue.load(ordering: .relaxed)),
            MetricFamily(
                "exeat_holder_up", .gauge, help: "0 when the holder has gone: a crash would lose what waits.",
                value: report.isHolderAlive.load(ordering: .relaxed) ? 1 : 0),
            MetricFamily(
                "exeat_endpoint_interfaces_missing", .gauge, help: "Endpoints whose interface is not there.",
                value: report.missingInterfaces.load(ordering: .relaxed)),
        ]
    }

    private static func bindings(_ names: NameReport) -> [MetricFamily] {
        [
            MetricFamily("exeat_bindings", .gauge, help: "Bindings of (endpoint, name, address).", value: names.bindings),
            MetricFamily("exeat_names", .gauge, help: "Distinct names that are bound.", value: names.names),
            MetricFamily(
                "exeat_bindings_drained", .counter, help: "Bindings kept beyond their end for live flows.",
                value: names.counters.drained),
            MetricFamily("exeat_bindings_expired", .counter, help: "Bindings that ended and went.", value: names.counters.expired),
            MetricFamily(
                "exeat_bindings_remembered", .counter, help: "Of these, kept in mind for redials.", value: names.counters.remembered),
            MetricFamily(
                "exeat_bindings_evicted", .counter, help: "Bindings ended or let go early, because a limit was reached.", by: "limit",
                [("addresses_per_name", names.counters.evicted), ("draining_per_client", names.counters.drainingEvicted)]),
            MetricFamily(
                "exeat_bindings_recovered", .counter, help: "Bindings taken over from the process before.", value: names.counters.recovered),
            MetricFamily(
                "exeat_bindings_unkept", .counter, help: "Bindings for which the file had no room: a restart would lose them.",
                value: names.counters.unkept),
            MetricFamily(
                "exeat_bindings_refused", .counter, help: "Answers withheld because a limit was reached.", by: "limit",
                NameTableFullness.allCases.map { ($0.label, names.counters.full[Int($0.rawValue)]) }),
        ]
    }

    private static func flows(_ flows: FlowReport, _ lostFacts: UInt64) -> [MetricFamily] {
        let counters = flows.counters
        return [
            MetricFamily("exeat_flows_live", .gauge, help: "Flows that live and are allowed.", value: flows.live),
            MetricFamily("exeat_flows_tracked", .gauge, help: "Flows in the table, in any state.", value: flows.tracked),
            MetricFamily(
                "exeat_endpoints_capped", .gauge, help: "Endpoints that have as many flows as they may.", value: flows.capped),
            MetricFamily(
                "exeat_endpoint_cappings", .counter, help: "Times that an endpoint came to have as many flows as it may.",
                value: flows.cappings),
            MetricFamily(
                "exeat_flows_revoked_kept", .gauge, help: "Revoked flows without an end of their own whose conntrack entry is kept.",
                value: flows.revokedKept),
            MetricFamily(
                "exeat_flows_revoked_overflow", .counter,
                help: "Times that a revoked flow was left to the kernel's timeout, because there were too many.",
                value: flows.revokedOverflows),
            MetricFamily("exeat_flows_began", .counter, help: "Flows that connection tracking has shown.", value: counters.began),
            MetricFamily("exeat_flows_ended", .counter, help: "Flows that have ended.", value: counters.ended),
            MetricFamily(
                "exeat_flows_recovered", .counter, help: "Flows taken over from the process before.", value: counters.recovered),
            MetricFamily(
                "exeat_flows_unkept", .counter, help: "Times that the file had no room for a flow: a restart would lose its name and rule.",
                value: counters.unkept),
            MetricFamily(
                "exeat_flow_table_full", .counter, help: "Flows that found the table full and are not told of.", value: counters.full),
            MetricFamily(
                "exeat_flow_unconfirmed", .counter, help: "Admissions whose flow connection tracking never showed.",
                value: counters.unconfirmed),
            MetricFamily(
                "exeat_flow_redecisions", .counter, help: "Flows decided anew because nothing was known of their verdict.",
                value: counters.redecided),
            MetricFamily(
                "exeat_flow_events", .counter, help: "Events of connection tracking about marked flows.", by: "type",
                [("new", flows.events[0]), ("destroy", flows.events[2])]),
            MetricFamily(
                "exeat_flow_events_lost", .counter, help: "Times that the kernel dropped events; a sweep follows.", value: flows.losses),
            MetricFamily(
                "exeat_flow_events_malformed", .counter, help: "Events that could not be read.", value: flows.malformedEvents),
            MetricFamily("exeat_flow_sweeps", .counter, help: "Complete walks over connection tracking.", value: counters.sweeps),
            MetricFamily("exeat_flow_sweeps_broken", .counter, help: "Walks that failed.", value: flows.brokenSweeps),
            MetricFamily("exeat_flow_facts_lost", .counter, help: "Verdicts that the table of flows was not told of.", value: lostFacts),
            MetricFamily(
                "exeat_flow_traffic_bytes", .counter, help: "Bytes of tracked flows, out of endpoints and in.", by: "direction",
                [("out", counters.traffic.bytesOut), ("in", counters.traffic.bytesIn)]),
            MetricFamily(
                "exeat_flow_traffic_packets", .counter, help: "Packets of tracked flows, out of endpoints and in.", by: "direction",
                [("out", counters.traffic.packetsOut), ("in", counters.traffic.packetsIn)]),
            MetricFamily(
                "exeat_flow_resets", .counter, help: "Resets for revoked connections, by outcome.", by: "result",
                zip(FlowReport.resetLabels, flows.resets).map { ($0, $1) }),
        ]
    }

    private static func queue(_ queues: [QueueReport]) -> [MetricFamily] {
        let statistics = QueueStatistics.all()
        func kernel(_ value: (QueueStatistics) -> UInt64) -> [(String, UInt64)] {
            queues.map { report in ("\(report.queue)", statistics.first { $0.queue == report.queue }.map(value) ?? 0) }
        }
        return [
            MetricFamily(
                "exeat_queue_packets", .counter, help: "Packets read.", by: "queue", queues.map { ("\($0.queue)", $0.counters.packets) }),
            MetricFamily(
                "exeat_queue_batches", .counter, help: "Receive calls.", by: "queue", queues.map { ("\($0.queue)", $0.counters.batches) }),
            MetricFamily(
                "exeat_queue_verdict_errors", .counter, help: "Verdicts that the kernel refused.", by: "queue",
                queues.map { ("\($0.queue)", $0.counters.verdictErrors) }),
            MetricFamily(
                "exeat_queue_failures", .counter, help: "Errors of the queue's socket.", by: "queue",
                queues.map { ("\($0.queue)", $0.failures.load(ordering: .relaxed)) }),
            MetricFamily(
                "exeat_queue_rebinds", .counter, help: "Times a lost queue was bound again.", by: "queue",
                queues.map { ("\($0.queue)", $0.reopenings.load(ordering: .relaxed)) }),
            MetricFamily(
                "exeat_queue_overruns", .counter, help: "Receive calls that found the socket's buffer overrun (ENOBUFS).", by: "queue",
                queues.map { ("\($0.queue)", $0.counters.overruns) }),
            MetricFamily(
                "exeat_queue_send_errors", .counter, help: "Batches of verdicts that could not be sent.", by: "queue",
                queues.map { ("\($0.queue)", $0.counters.sendErrors) }),
            MetricFamily("exeat_queue_waiting", .gauge, help: "Packets that wait in the kernel.", by: "queue", kernel(\.waiting)),
            MetricFamily(
                "exeat_queue_dropped", .counter, help: "Packets dropped because the queue was full.", by: "queue", kernel(\.dropped)),
            MetricFamily(
                "exeat_queue_user_dropped", .counter, help: "Packets dropped because the socket's buffer was full.", by: "queue",
                kernel(\.userDropped)),
        ]
    }

    private static func log(_ log: DNSLog?) -> [MetricFamily] {
        [
            MetricFamily("exeat_dns_log_lines", .counter, help: "Lines written.", value: log?.linesWritten ?? 0),
            MetricFamily(
                "exeat_dns_log_lost_records", .counter, help: "Replies that are not in the log because the ring was full.",
                value: log?.droppedRecords ?? 0),
            MetricFamily(
                "exeat_dns_log_unlogged", .counter, help: "Replies that lines of type UNLOGGED stand for.",
                value: log?.unloggedReplies ?? 0),
            MetricFamily(
                "exeat_dns_log_write_errors", .counter, help: "Lines lost because the file could not be written.",
                value: log?.writeErrors ?? 0),
        ]
    }

    private static func log(_ log: FlowLog) -> [MetricFamily] {
        [
            MetricFamily("exeat_flow_log_lines", .counter, help: "Lines written.", value: log.linesWritten),
            MetricFamily(
                "exeat_flow_log_lost_records", .counter, help: "Records lost because the ring was full.", value: log.droppedRecords),
            MetricFamily(
                "exeat_flow_log_write_errors", .counter, help: "Lines lost because the file could not be written.",
                value: log.writeErrors),
        ]
    }
}

extension MetricFamily {
    /// Families of loose samples: `_total` makes a counter, `_bucket`, `_sum` and `_count` a histogram, everything else a gauge.
    static func grouped(_ samples: [(name: String, labels: [(String, String)], value: Double)]) -> [MetricFamily] {
        var families: [MetricFamily] = []
        var places: [String: Int] = [:]
        for sample in samples {
            var name = sample.name
            var kind = MetricFamily.Kind.gauge
            var suffix = ""
            for (ending, endingKind) in [
                ("_total", MetricFamily.Kind.counter), ("_bucket", .histogram), ("_sum", .histogram), ("_count", .histogram),
            ]
            where name.hasSuffix(ending) {
                name.removeLast(ending.count)
                kind = endingKind
                suffix = endingKind == .histogram ? ending : ""
            }
            let place = places[name] ?? families.count
            if place == families.count {
                places[name] = place
                families.append(MetricFamily(name, kind, help: "See docs/metrics.md.", samples: []))
            }
            families[place].samples.append(
                Sample(suffix: suffix, labels: sample.labels.map { (name: $0.0, value: $0.1) }, value: sample.value))
        }
        return families
    }
}
