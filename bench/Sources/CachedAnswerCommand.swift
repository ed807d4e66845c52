import ArgumentParser
import DemoNetwork
import Foundation
import NetworkTypes

struct CachedAnswerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cached", abstract: "CPU per cached DNS answer, against a bare UDP echo, unbound, dnsmasq and dnsdist.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    private static let nameCount = 1_000

    /// A server that is asked, from a namespace of its own lab.
    private struct Subject {
        let name: String
        let process: ChildProcess
        let load: DNSLoad

        /// CPU per answer, nanoseconds, over one run.
        func cost(_ times: Int) throws -> Double {
            let before = try CPUTime.nanoseconds(of: process.pid)
            let answers = try load.run(times: times)
            return Double(try CPUTime.nanoseconds(of: process.pid) - before) / answers
        }
    }

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        // The daemon's node; one with the daemon's table but an echo in the daemon's place; one without any table.
        let enforced = try BenchLab()
        defer { enforced.stop() }
        // The same without answers that leave together.
        let apart = try BenchLab()
        defer { apart.stop() }
        let ruled = try BenchLab()
        defer { ruled.stop() }
        let plain = try BenchLab()
        defer { plain.stop() }
        // Others in the daemon's place, under its table.
        let ruledUnboundLab = try BenchLab()
        defer { ruledUnboundLab.stop() }
        let ruledDnsdistLab = try BenchLab()
        defer { ruledDnsdistLab.stop() }
        let labs = [enforced, apart, ruled, plain, ruledUnboundLab, ruledDnsdistLab]
        let questions = DNSLoad.questions(nameCount, series: "c")
        for lab in labs { try lab.write(questions, "questions") }
        try enforced.startDaemon(try options.program())
        try apart.startDaemon(try options.program(), dns: "coalesceAnswers: false")
        guard let daemon = enforced.daemon, let apartDaemon = apart.daemon else { throw BenchError("no daemon") }
        for lab in [ruled, ruledUnboundLab, ruledDnsdistLab] { try lab.installTable(queue: 100) }

        let query = DNSLoad.query("nc000000.\(BenchPolicy.zone)")
        let reply = try enforced.pod.namespace.withThread { LabClient.udp(to: BenchLab.resolver, port: 53, payload: query).reply }
        guard reply.count > query.count else { throw BenchError("the daemon does not answer") }
        func echo(_ lab: BenchLab) throws -> ChildProcess {
            try MeasuredProgram(
                [try options.anchor("udp-echo"), "\(BenchLab.resolver)", "53", "\(reply.count)"], in: lab.network.node,
                output: lab.path("echo.out")
            ).process
        }
        let plainEcho = try echo(plain)
        let ruledEcho = try echo(ruled)
        let unbound = try plain.startUnbound(port: 5301)
        let dnsmasq = try plain.startDnsmasq(port: 5302)
        let dnsdist = try plain.startDnsdist(port: 5303)
        let ruledUnbound = try ruledUnboundLab.startUnbound(port: 53)
        let ruledDnsdist = try ruledDnsdistLab.startDnsdist(port: 53)

        func subject(_ name: String, _ process: ChildProcess, _ lab: BenchLab, port: UInt16 = 53, inside: Bool = true) -> Subject {
            Subject(
                name: name, process: process,
                load: DNSLoad(
                    namespace: inside ? lab.pod.namespace : lab.network.internet, server: "\(BenchLab.resolver)", port: port,
                    questions: lab.path("questions")))
        }
        let (bare, ruledName) = ("echo", "echo behind the rules")
        let subjects = [
            subject("policed", daemon, enforced), subject("unpoliced", daemon, enforced, inside: false),
            subject("each alone", apartDaemon, apart), subject(bare, plainEcho, plain), subject(bare + " again", plainEcho, plain),
            subject(ruledName, ruledEcho, ruled), subject(ruledName + " again", ruledEcho, ruled),
            subject("unbound", unbound, plain, port: 5301), subject("dnsmasq", dnsmasq, plain, port: 5302),
            subject("dnsdist", dnsdist, plain, port: 5303), subject("unbound behind the same rules", ruledUnbound, ruledUnboundLab),
            subject("dnsdist behind the same rules", ruledDnsdist, ruledDnsdistLab),
        ]
        // The first round fills the caches.
        for subject in subjects { try subject.load.run(times: 2, outstanding: 20) }
        let times = options.quick ? 10 : 40
        var costs: [String: [Double]] = [:]
        for round in 0..<BenchOptions.pairs {
            for place in subjects.indices {
                let subject = subjects[(place + round) % subjects.count]
                costs[subject.name, default: []].append(try subject.cost(times))
            }
        }

        // The same with a full queue of queries.
        let queries = (0..<4_000).map { DNSLoad.query("nc\(String(1_000_000 + $0 % nameCount).dropFirst()).\(BenchPolicy.zone)") }
        let backlogs = [
            ("policed", daemon, enforced), ("each alone", apartDaemon, apart), (ruledName, ruledEcho, ruled),
            (ruledName + " again", ruledEcho, ruled),
            (bare, plainEcho, plain),
            (bare + " again", plainEcho, plain),
        ]
        for round in -1..<BenchOptions.pairs {
            for place in backlogs.indices {
                let (name, process, lab) = backlogs[(place + round + 1) % backlogs.count]
                let cost = try DNSBacklog(pod: lab.pod.namespace, server: BenchLab.resolver, queries: queries).cost(of: process)
                if round >= 0 { costs["full batches, " + name, default: []].append(cost) }
            }
        }

        func values(_ name: String) -> [Double] { costs[name] ?? [] }
        func text(_ name: String) -> String { "\((values(name).median / 1000).rounded(2)) µs" }
        func row(_ what: String, _ measured: String, _ anchor: String, again: String?, bar: ResultTable.Bar?) -> ResultTable.Row {
            .init(
                what: what, measured: text(measured), anchor: text(anchor), ratio: Interval(ratiosOf: values(measured), to: values(anchor)),
                anchorSpread: again.map { Interval(ratiosOf: values($0), to: values(anchor)) }, bar: bar)
        }
        let bar = ResultTable.Bar.ratioAtMost(1.10)
        var table = ResultTable()
        let cached = "Cached answer"
        table.add(
            row(
                "\(cached), policed client, against the echo behind the same rules", "policed", ruledName, again: ruledName + " again",
                bar: bar))
        table.add(row("\(cached), unpoliced client, against the echo behind the same rules", "unpoliced", ruledName, again: nil, bar: bar))
        table.add(
            row("\(cached), policed client, against the bare echo, no rules at all", "policed", bare, again: bare + " again", bar: bar))
        table.add(row("\(cached), unpoliced client, against the bare echo", "unpoliced", bare, again: nil, bar: bar))
        table.add(
            row("\(cached), policed client, `coalesceAnswers: false`, against the bare echo", "each alone", bare, again: nil, bar: nil))
        let full = "full batches, "
        table.add(
            row(
                "\(cached), policed client, from a backlog (full batches), against the echo behind the same rules", full + "policed",
                full + ruledName, again: full + ruledName + " again", bar: bar))
        table.add(
            row(
                "\(cached), policed client, from a backlog, against the bare echo", full + "policed", full + bare,
                again: full + bare + " again", bar: bar))
        table.add(
            row(
                "\(cached), policed client, `coalesceAnswers: false`, from a backlog, against the bare echo", full + "each alone",
                full + bare, again: nil, bar: nil))
        table.add(row("unbound, cached, against the bare echo", "unbound", bare, again: nil, bar: nil))
        let peers = ["unbound", "dnsmasq", "dnsdist"]
        for peer in peers.dropFirst() { table.add(row("\(peer), cached, against the bare echo", peer, bare, again: nil, bar: nil)) }
        for peer in peers + ["unbound behind the same rules", "dnsdist behind the same rules"] {
            table.add(row("\(cached), policed client, against \(peer)", "policed", peer, again: nil, bar: .ratioAtMost(1.00)))
        }
        return table
    }
}
