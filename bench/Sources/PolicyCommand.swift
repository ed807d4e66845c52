import ArgumentParser
import Foundation
import NetworkTypes
import PolicyEngine
import PolicyModel

struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Compile 10,000 policies for 1,000 endpoints, change one endpoint or one policy, decide at 10 to 10,000 policies.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    private static let policies = 10_000
    private static let endpoints = 1_000

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        var table = ResultTable()
        for shape in PolicyWorkload.Shape.allCases { try table.add(compilation(shape, changes: options.quick ? 300 : 2_000)) }
        for shape in PolicyWorkload.Shape.allCases { try table.add(decisions(shape)) }
        return table
    }

    private static func compile(_ workload: PolicyWorkload, _ compiler: inout PolicyCompiler) throws -> CompiledPolicy {
        var next: UInt32 = 0
        return compiler.compile(try workload.resources()) { _ in
            next += 1
            return EndpointID(rawValue: next)
        }
    }

    // MARK: Compilation and changes

    private static func compilation(_ shape: PolicyWorkload.Shape, changes: Int) throws -> ResultTable {
        let workload = PolicyWorkload(shape: shape, policyCount: policies, endpointCount: endpoints)
        let resources = try workload.resources()
        var compiler = PolicyCompiler()
        var next: UInt32 = 0
        let start = CPUTime.nowNanoseconds()
        var policy = compiler.compile(resources) { _ in
            next += 1
            return EndpointID(rawValue: next)
        }
        let seconds = Double(CPUTime.nowNanoseconds() - start) / 1e9
        // All of this process: what other measurements left behind counts too.
        let megabytes = Double(residentBytes()) / 1e6
        guard policy.endpoints.count == endpoints, Int(policy.nextPattern) > policies * PolicyWorkload.patternsPerPolicy else {
            throw BenchError("the workload is not what it says")
        }
        var table = ResultTable()
        table.add(
            .init(
                what: "Policy: compile \(policies) policies with \(policies * PolicyWorkload.patternsPerPolicy) patterns for \(endpoints) "
                    + "endpoints; \(shape.text)",
                measured: "\(seconds.rounded(2)) s, \(megabytes.rounded(0)) MB the whole process, resources included",
                anchor: "-", bar: .stated("< 2 s, < 300 MB", isMet: seconds < 2 && megabytes < 300)))

        func apply(_ change: Resource) -> Double {
            let start = CPUTime.nowNanoseconds()
            policy = compiler.apply(ResourceChanges(upserts: [change])) { _ in
                next += 1
                return EndpointID(rawValue: next)
            }
            return Double(CPUTime.nowNanoseconds() - start) / 1e6
        }
        var times: [Double] = []
        for round in 0..<changes {
            let number = Int.random(in: 0..<endpoints)
            times.append(apply(.workloadEndpoint(workload.endpoint(number, app: round % PolicyWorkload.labelValues))))
        }
        table.add(row("Policy: one pod relabelled, so that other policies select it", times, below: 5))
        times = []
        for round in 0..<changes {
            times.append(apply(.policy(try workload.policy(Int.random(in: 0..<policies), revision: round + 1))))
        }
        table.add(row("Policy: one policy changed, with five other patterns", times, below: 20))
        return table
    }

    private static func row(_ what: String, _ times: [Double], below bar: Double) -> ResultTable.Row {
        let last = times.quantile(0.99)
        return .init(
            what: what,
            measured: "p50 \(times.median.rounded(2)) ms, p99 \(last.rounded(2)) ms, longest \((times.max() ?? 0).rounded(2)) ms",
            anchor: "-", bar: .stated("p99 < \(bar.rounded(0)) ms", isMet: last < bar))
    }

    // MARK: Decisions

    private static func decisions(_ shape: PolicyWorkload.Shape) throws -> ResultTable {
        let sizes = [10, 100, 1_000, 10_000]
        var compiled: [CompiledPolicy] = []
        var flows: [PolicyFlows] = []
        for size in sizes {
            var compiler = PolicyCompiler()
            let workload = PolicyWorkload(shape: shape, policyCount: size, endpointCount: endpoints)
            let policy = try compile(workload, &compiler)
            compiled.append(policy)
            flows.append(try PolicyFlows(policy, workload))
        }
        var times: [[Double]] = Array(repeating: [], count: sizes.count)
        var again: [Double] = []
        var allowed = 0
        func once(_ place: Int) -> Double {
            // Twice for warmth, then what counts.
            let rounds = 8
            allowed &+= flows[place].decide(compiled[place])
            let start = CPUTime.nowNanoseconds()
            for _ in 0..<rounds { allowed &+= flows[place].decide(compiled[place]) }
            return Double(CPUTime.nowNanoseconds() - start) / Double(rounds * PolicyFlows.count)
        }
        for round in 0..<BenchOptions.pairs {
            for step in sizes.indices { times[(step + round) % sizes.count].append(once((step + round) % sizes.count)) }
            again.append(once(0))
        }
        guard allowed > 0 else { throw BenchError("nothing was allowed") }
        var table = ResultTable()
        for place in sizes.indices.dropFirst() {
            table.add(
                .init(
                    what: "Policy: one decision at \(sizes[place]) policies, against 10; \(shape.text)",
                    measured: "\(times[place].median.rounded(0)) ns", anchor: "\(times[0].median.rounded(0)) ns",
                    ratio: Interval(ratiosOf: times[place], to: times[0]), anchorSpread: Interval(ratiosOf: again, to: times[0]),
                    bar: .ratioAtMost(1.5)))
        }
        return table
    }

    private static func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }
}
