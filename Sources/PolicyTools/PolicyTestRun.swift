import PolicyEngine
import PolicyModel

/// Runs the tests of a suite against resources.
public struct PolicyTestRun: Sendable {
    /// One flow of one test.
    public struct Check: Sendable {
        public let test: String
        public let location: SourceLocation
        public let from: String
        public let to: String
        /// What came out otherwise than expected; empty: passed.
        public let failures: [String]
    }

    public private(set) var checks: [Check] = []

    public var failed: [Check] { checks.filter { !$0.failures.isEmpty } }

    /// Questions that cannot be asked (an endpoint that is not there, say) go to `problems`.
    public init(_ suite: PolicyTestSuite, _ resources: ResourceSet, _ problems: inout DiagnosticList) {
        var inspectors: [PolicyType: PolicyInspector] = [:]
        for test in suite.tests {
            let inspector = inspectors[test.direction] ?? PolicyInspector(resources, options: suite.options, direction: test.direction)
            inspectors[test.direction] = inspector
            for from in test.from {
                for to in test.to { run(test, from, to, inspector, &problems) }
            }
        }
    }

    private mutating func run(
        _ test: PolicyTestSuite.Test, _ from: PolicyTestSuite.Test.End, _ to: PolicyTestSuite.Test.End, _ inspector: PolicyInspector,
        _ problems: inout DiagnosticList
    ) {
        let isIngress = test.direction == .ingress
        let own = isIngress ? to : from
        let peer = isIngress ? from : to
        guard case .endpoint(let identity) = own.peer else { return }
        do throws(PolicyToolError) {
            let question = FlowQuestion(
                endpoint: try inspector.place(of: identity), peer: peer.peer, transport: test.transport, port: to.port, icmp: test.icmp,
                resolved: test.resolved)
            let answer = try inspector.answer(question)
            checks.append(
                Check(
                    test: test.name, location: test.location, from: from.text, to: to.text,
                    failures: Self.failures(test.expectation, answer)))
        } catch {
            problems.error(at: test.location, field: "tests", "\(test.name): \(error.message)", hint: error.hint)
        }
    }

    private static func failures(_ expected: PolicyTestSuite.Expectation, _ answer: FlowAnswer) -> [String] {
        var failures: [String] = []
        let verdict = answer.verdict
        let rule = verdict.rule?.description
        if verdict.isAllowed != expected.isAllowed {
            failures.append("expected \(expected.isAllowed ? "allow" : "deny"), got \(verdict.word) (\(words(verdict)))")
        } else {
            if let reason = expected.reason, reason != verdict.reason {
                failures.append("expected the reason \(reason.label), got \(words(verdict))")
            }
            if let prefix = expected.rule, !(rule?.hasPrefix(prefix) ?? false) {
                failures.append("expected the rule \(prefix), got \(rule ?? "none (\(verdict.reason.label))")")
            }
        }
        if let isAllowed = expected.stagedAllowed {
            let staged = answer.staged ?? verdict
            if staged.isAllowed != isAllowed {
                failures.append(
                    "expected staged policies to \(isAllowed ? "allow" : "deny"), got \(staged.word) (\(words(staged)))"
                        + (answer.staged == nil ? ", as no staged policy bears on the endpoint" : ""))
            }
        }
        if let isAnswered = expected.isAnswered {
            for name in answer.names where (name.refusal == nil) != isAnswered {
                failures.append(
                    "expected the query for \(name.name) to be \(isAnswered ? "answered" : "refused"), it is "
                        + (name.refusal.map { "refused (\(words($0)))" } ?? "answered"))
            }
        }
        return failures
    }

    private static func words(_ verdict: FlowAnswer.Verdict) -> String {
        verdict.reason.label + (verdict.rule.map { " \($0)" } ?? "")
    }
}
