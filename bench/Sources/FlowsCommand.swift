import ArgumentParser
import DemoNetwork
import Foundation
import NetfilterTables
import NetworkTypes

struct FlowsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows",
        abstract: "100,000 live flows of 1,000 endpoints, and a policy change that touches 10 of them: when each flow is decided again.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Live flows, a hundred for each endpoint.")
    var flows = 100_000

    @Option(help: "Policy changes, each for ten other endpoints.")
    var rounds = 5

    @Flag(help: "Fail only on a wrong verdict, not on the time.")
    var untimed = false

    mutating func run() throws {
        let (table, failure) = try Self.measure(options, flows: flows, rounds: rounds)
        print(table.markdown)
        if let failure { throw BenchError(failure) }
        if !untimed, !table.meetsBars { throw BenchError("a bar is missed") }
    }

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let (table, failure) = try measure(options, flows: options.quick ? 20_000 : 100_000, rounds: options.quick ? 2 : 5)
        if let failure { throw BenchError(failure) }
        return table
    }

    private static let flowsPerEndpoint = 100
    private static let endpointsPerGroup = 10
    private static let sendMilliseconds = 10

    /// What one change came to, in milliseconds.
    private struct Outcome {
        /// From the commit of `current`, and from the file in place, to the decision; one for each affected flow.
        var decided: [Double] = []
        var decidedFromFile: [Double] = []
        /// From the commit to the arrival of the first datagram that was sent after it; one for each flow that policy keeps.
        var goesOn: [Double] = []
        var commit = 0.0
        /// Datagrams that were sent after the commit on flows that are refused, and arrived.
        var passed = 0
        var undecided = 0
        var wrong = 0
        /// Decisions about flows of other endpoints.
        var others = 0
        var asked = 0
    }

    private static func measure(_ options: BenchOptions, flows count: Int, rounds: Int) throws -> (ResultTable, failure: String?) {
        let endpoints = count / flowsPerEndpoint
        let groups = endpoints / endpointsPerGroup
        guard groups >= rounds, endpoints <= 1_000 else {
            throw BenchError("1,000 to 100,000 flows, and a group of endpoints for each round")
        }
        let restore = try makeRoom(for: count)
        defer { restore() }
        let lab = try BenchLab(podCount: 4)
        defer { lab.stop() }
        for name in ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"] {
            let result = try lab.network.node.run(["sysctl", "-qw", "net.netfilter.\(name)=3600"])
            guard result.isSuccess else { throw BenchError("\(name): \(result.stderr)") }
        }
        let live = try LiveFlows(lab, endpoints: endpoints, flowsPerEndpoint: flowsPerEndpoint)
        try lab.write(workload(live, groups), "policies/endpoints.yaml")
        try lab.write(rest, "policies/policy.yaml")
        for group in 0..<groups { try lab.write(policy(group, takesAway: false), "policies/group-\(group).yaml") }
        let log = lab.path("flows.jsonl")
        try lab.startDaemon(
            try options.program(), extra: "flowLog: {path: \"\(log)\", bytesMax: 4000000000}\n")
        try live.startSinks()
        defer { live.stop() }

        try resolve(live, lab, bindings: 2 * endpoints)
        var missing = Array(0..<live.count)
        for _ in 0..<8 where !missing.isEmpty { missing = try live.sendOnce(missing, perSecond: 20_000) }
        guard missing.isEmpty else { throw BenchError("\(missing.count) flows do not come up") }
        // Sweeps and records of the beginning are over.
        Thread.sleep(forTimeInterval: 3)
        _ = live.takeArrivals()
        let lostBefore = try lostLines(lab)

        let monitor = SetMonitor()
        try lab.network.node.withThread { try monitor.start() }
        var outcomes: [Outcome] = []
        for round in 0..<rounds { outcomes.append(try change(round * groups / rounds, live, lab, monitor, log)) }
        // Then all that was not touched once more: nobody is asked.
        let touched = Set((0..<rounds).flatMap { members($0 * groups / rounds) })
        let untouched = (0..<live.count).filter { !touched.contains(live.endpoint(of: $0)) }
        let before = try queued(lab)
        let silent = try live.sendOnce(untouched, perSecond: 20_000)
        let asked = try queued(lab) - before
        let lostRecords = try lostLines(lab) - lostBefore
        let denied = try deniedEntries(lab)

        let decided = outcomes.flatMap(\.decided)
        guard !decided.isEmpty else { throw BenchError("no flow was decided again: \(outcomes)") }
        let fromFile = outcomes.flatMap(\.decidedFromFile)
        let goesOn = outcomes.flatMap(\.goesOn)
        let p99 = decided.quantile(0.99)
        let others = outcomes.map(\.others).reduce(0, +)
        let affected = rounds * endpointsPerGroup * flowsPerEndpoint
        func text(_ times: [Double]) -> String {
            times.isEmpty
                ? "none"
                : "p50 \(times.median.rounded(1)) ms, p99 \(times.quantile(0.99).rounded(1)) ms, longest \((times.max() ?? 0).rounded(1)) ms"
        }
        var table = ResultTable()
        table.add(
            .init(
                what:
                    "\(live.count) live UDP flows of \(endpoints) endpoints, \(rounds) policy changes that touch \(endpointsPerGroup) each: from "
                    + "the commit of `current` to the decision of each of their flows (each sends every \(sendMilliseconds) ms)",
                measured: text(decided), anchor: "-", bar: .stated("p99 ≤ 50 ms", isMet: p99 <= 50)))
        table.add(
            .init(
                what: "The same from the policy file in place; the commit itself came after "
                    + "\(outcomes.map { $0.commit.rounded(0) }.joined(separator: ", ")) ms",
                measured: text(fromFile), anchor: "-"))
        table.add(
            .init(
                what: "From the commit to the arrival of the first datagram that was sent after it, flows that policy keeps",
                measured: text(goesOn), anchor: "-"))
        let undecided = outcomes.map(\.undecided).reduce(0, +)
        let passed = outcomes.map(\.passed).reduce(0, +)
        let wrong = outcomes.map(\.wrong).reduce(0, +)
        let isRight = undecided == 0 && passed == 0 && wrong == 0 && denied == affected / 2 && silent.isEmpty
        table.add(
            .init(
                what: "\(affected) affected flows: half kept, half cut; conntrack entries marked denied \(denied)",
                measured: "\(undecided) undecided, \(wrong) wrong, \(passed) datagrams sent after the commit on cut flows arrived",
                anchor: "-",
                bar: .stated("none", isMet: isRight)))
        table.add(
            .init(
                what:
                    "Questions about flows of other endpoints: in the flow log during the changes (they send as well), and by the queue's counter "
                    + "when each of \(untouched.count) sends once more",
                measured: "\(others) and \(asked)", anchor: "-", bar: .stated("none", isMet: others == 0 && asked == 0)))
        guard lostRecords == 0 else { return (table, "the flow log has lost \(lostRecords) records") }
        guard isRight, others == 0, asked == 0 else { return (table, "flows are not what policy says") }
        return (table, nil)
    }

    // MARK: One change

    private static func members(_ group: Int) -> [Int] { (0..<endpointsPerGroup).map { group * endpointsPerGroup + $0 } }

    private static func change(_ group: Int, _ live: LiveFlows, _ lab: BenchLab, _ monitor: SetMonitor, _ log: String) throws -> Outcome {
        var outcome = Outcome()
        var decisions = DecisionLog(log)
        try decisions.skip()
        let members = members(group)
        let addresses = Set(members.map { live.address($0) })
        let flows = live.flows(of: members)
        // Every twentieth of the others sends meanwhile, ten times slower.
        let others = stride(from: 7, to: live.count, by: 20).filter { live.endpoint(of: $0) / endpointsPerGroup != group }
        let (isOver, isOverForOthers) = (SharedFlag(), SharedFlag())
        try live.sendAlways(flows, everyMilliseconds: sendMilliseconds, until: isOver)
        try live.sendAlways(others, everyMilliseconds: 10 * sendMilliseconds * 2, until: isOverForOthers)
        defer { isOverForOthers.setAndWait() }
        Thread.sleep(forTimeInterval: 0.5)
        _ = live.takeArrivals()
        let asked = try queued(lab)
        let hidden = lab.path("policies/.change")
        try policy(group, takesAway: true).write(toFile: hidden, atomically: false, encoding: .utf8)
        let inPlace = SetMonitor.now()
        guard unsafe rename(hidden, lab.path("policies/group-\(group).yaml")) == 0 else { throw BenchError("rename: errno \(errno)") }
        var commit: UInt64 = 0
        for _ in 0..<500 where commit == 0 {
            usleep(10_000)
            let heard = monitor.events().filter { $0.isAddition && $0.time >= inPlace && addresses.contains($0.address) }
            // One transaction: the first announcement is the nearest to it.
            if Set(heard.map(\.address)).count == addresses.count { commit = heard.map(\.time).min() ?? 0 }
        }
        guard commit != 0 else { throw BenchError("the change does not reach the kernel") }
        // A second after a change the denials of its endpoints are taken back once, and given again at the next datagram.
        Thread.sleep(forTimeInterval: 3)
        isOver.setAndWait()
        Thread.sleep(forTimeInterval: 0.3)
        outcome.asked = try queued(lab) - asked
        outcome.commit = Double(commit - inPlace) / 1e6

        var first: [UInt64: DecisionLog.Line] = [:]
        func key(_ address: IPAddress, _ port: Int) -> UInt64 { address.lower << 16 | UInt64(port) }
        for line in try decisions.read() {
            guard addresses.contains(line.source) else {
                outcome.others += 1
                continue
            }
            let number = key(line.source, Int(line.sourcePort))
            if first[number] == nil { first[number] = line }
        }
        for flow in flows {
            guard let line = first[key(live.address(live.endpoint(of: flow)), live.sourcePort(flow))] else {
                outcome.undecided += 1
                continue
            }
            if line.isAllowed != live.isKept(flow) { outcome.wrong += 1 }
            // The clock of the log is that of its batch, and the commit is heard of a little late.
            outcome.decided.append(Double(line.time - min(line.time, commit)) / 1e6)
            outcome.decidedFromFile.append(Double(line.time - min(line.time, inPlace)) / 1e6)
        }
        let own = Set(flows)
        var arrivedFirst: [Int: UInt64] = [:]
        for arrival in live.takeArrivals() where arrival.sent > commit && own.contains(Int(arrival.flow)) {
            if live.isKept(Int(arrival.flow)) {
                arrivedFirst[Int(arrival.flow)] = min(arrivedFirst[Int(arrival.flow)] ?? .max, arrival.arrived)
            } else {
                outcome.passed += 1
            }
        }
        outcome.goesOn = arrivedFirst.values.map { Double($0 - min($0, commit)) / 1e6 }
        outcome.undecided += flows.count { live.isKept($0) } - arrivedFirst.count
        return outcome
    }

    // MARK: The network and its policy

    /// Conntrack's limit is the machine's, not a namespace's.
    private static func makeRoom(for flows: Int) throws -> () -> Void {
        let path = "/proc/sys/net/netfilter/nf_conntrack_max"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        guard let limit = Int(text.filter(\.isNumber)) else { throw BenchError("\(path): \(text)") }
        guard limit < flows * 3 / 2 else { return {} }
        try "\(flows * 3 / 2)\n".write(toFile: path, atomically: false, encoding: .utf8)
        return { try? text.write(toFile: path, atomically: false, encoding: .utf8) }
    }

    private static func resolve(_ live: LiveFlows, _ lab: BenchLab, bindings: Int) throws {
        var held = 0.0
        for _ in 0..<10 {
            try live.resolve()
            usleep(300_000)
            held = try lab.metrics()["exeat_bindings"] ?? 0
            if held >= Double(bindings) { return }
        }
        throw BenchError("\(held) bindings instead of \(bindings)")
    }

    private static func workload(_ live: LiveFlows, _ groups: Int) -> String {
        (0..<live.endpointCount).map { endpoint in
            """
            apiVersion: projectcalico.org/v3
            kind: WorkloadEndpoint
            metadata: {name: e\(endpoint), namespace: default, labels: {group: g\(endpoint / endpointsPerGroup)}}
            spec: {orchestrator: k8s, node: node, pod: e\(endpoint), interfaceName: \(live.interface(endpoint)), ipNetworks: ["\(live.address(endpoint))/32"]}

            """
        }.joined(separator: "---\n")
    }

    private static func policy(_ group: Int, takesAway: Bool) -> String {
        let domains = (takesAway ? [] : ["\"\(BenchPolicy.webName)\""]) + ["\"*.\(BenchPolicy.zone)\""]
        return """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: group-\(group)}
            spec:
              order: 10
              selector: group == "g\(group)"
              types: [Egress]
              egress: [{action: Allow, protocol: UDP, destination: {domains: [\(domains.joined(separator: ", "))]}}]

            """
    }

    private static let rest = """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: rest}
        spec: {order: 1000, selector: all(), types: [Egress]}

        """

    // MARK: What the kernel says

    /// Packets that any queue of the node has seen: the last id of each.
    private static func queued(_ lab: BenchLab) throws -> Int {
        let text = try lab.network.node.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout
        return text.split(separator: "\n").reduce(0) { $0 + (Int($1.split(separator: " ").dropFirst(7).first ?? "") ?? 0) }
    }

    private static func lostLines(_ lab: BenchLab) throws -> Double {
        try lab.metrics()["exeat_flow_log_lost_records_total"] ?? .nan
    }

    private static func deniedEntries(_ lab: BenchLab) throws -> Int {
        let mark = MarkLayout.standard.deposit(MarkLayout.standard.denied)
        let result = try lab.network.node.run(
            ["conntrack", "-L", "-p", "udp", "--mark", "\(mark)/\(MarkLayout.standard.mask)"], timeoutSeconds: 30)
        return result.stdout.split(separator: "\n").count { $0.contains("mark=\(mark) ") || $0.hasSuffix("mark=\(mark)") }
    }
}
