import ArgumentParser
import Daemon
import Datastores
import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel
import PolicyTools
import Telemetry

struct Explain: ParsableCommand {
    enum Direction: String, ExpressibleByArgument { case egress, ingress }

    static let configuration = CommandConfiguration(
        abstract: "How a flow would be decided, and why. Exit 0 allow, 3 deny, 1 error.",
        discussion: """
            A name is explained as if the endpoint had just resolved it to an address that no rule lists under nets; an address as \
            if the endpoint had resolved no name to it but those given by --resolved. docs/policy-testing.md reads a trace line by line.
            """)

    @Option(help: "Files or folders of policies and endpoints.")
    var policies: [String]

    @Option(help: "The endpoint: NAMESPACE/NAME. With --direction ingress an address may stand here.")
    var from: String

    @Option(
        help: "The destination: a name, an address or NAMESPACE/NAME, with :PORT if it matters. With --direction ingress NAMESPACE/NAME.")
    var to: String

    @Option(name: .customLong("protocol"), help: "tcp, udp, icmp, icmpv6, sctp or a number.")
    var transport = "tcp"

    @Option(help: "Egress of --from, or ingress of --to (which is explained and not enforced).")
    var direction = Direction.egress

    @Option(help: "A name under which the endpoint has resolved the destination address; may be given several times.")
    var resolved: [String] = []

    @Option(help: "ICMP type, or TYPE/CODE.")
    var icmp: String?

    @OptionGroup var policyOptions: PolicyOptionFlags

    @Flag(help: "Print JSON.")
    var json = false

    mutating func run() throws {
        do {
            try explain()
        } catch let error as ExitCode {
            throw error
        } catch {
            StandardError.print("\(error)")
            throw ExitCode(1)
        }
    }

    private func explain() throws {
        let load = PolicyFolder(paths: policies).load()
        guard load.isUsable else { throw ConfigurationFailure(diagnostics: load.diagnostics.filter { $0.severity == .error }) }
        guard let transport = TransportProtocol(parsing: transport) else { throw PolicyToolError("\"\(transport)\" is no protocol") }
        let inspector = PolicyInspector(
            load.resources, options: policyOptions.options, direction: direction == .egress ? .egress : .ingress)
        let (destination, port) = try FlowPeer.parse(to)
        let own = direction == .egress ? from : try Self.endpointText(destination, to)
        let question = FlowQuestion(
            endpoint: try inspector.place(of: own), peer: direction == .egress ? destination : try FlowPeer.parse(from).peer,
            transport: transport, port: port, icmp: try Self.icmp(icmp), resolved: try resolved.map { try DomainName(parsing: $0) })
        let answer = try inspector.answer(question)
        print(
            json
                ? TerminalText.json(Self.json(answer, from: from, to: to))
                : Self.text(answer, isName: isName(destination), to: to).map(TerminalText.plain).joined(separator: "\n"))
        if !answer.verdict.isAllowed { throw ExitCode(3) }
    }

    private func isName(_ peer: FlowPeer) -> Bool {
        if case .name = peer { true } else { false }
    }

    private static func endpointText(_ peer: FlowPeer, _ text: String) throws -> String {
        guard case .endpoint(let identity) = peer else {
            throw PolicyToolError("\"\(text)\" is no endpoint", hint: "for ingress --to is NAMESPACE/NAME, with :PORT")
        }
        return identity
    }

    private static func icmp(_ text: String?) throws -> ICMPMatch {
        guard let text else { return ICMPMatch() }
        guard let match = ICMPMatch(typeAndCode: text) else { throw PolicyToolError("\"\(text)\" is no ICMP type", hint: "8, or 3/13") }
        return match
    }

    private static func text(_ answer: FlowAnswer, isName: Bool, to: String) -> [String] {
        let verdict = answer.verdict
        var lines = ["\(verdict.word): \(verdict.reason.label)"]
        if let rule = verdict.rule { lines.append("rule: \(rule)" + (rule.location.map { " at \($0)" } ?? "")) }
        if let pattern = answer.pattern {
            lines.append("matched: \(pattern)" + (answer.matchedName.map { " by the name \($0)" } ?? ""))
        }
        if answer.nameCheck != .off {
            lines.append(
                answer.nameCheck == .require
                    ? "verify-name: require: the flow goes on only if its hello (TLS, QUIC, HTTP) gives a name that is allowed here"
                    : "verify-name: observe: the name in the hello (TLS, QUIC, HTTP) is counted and logged; the flow goes on")
        }
        let flow = answer.flow
        let detail =
            flow.transport.hasPorts
            ? " \(flow.destinationPort)" : flow.transport == .icmp || flow.transport == .icmpv6 ? " \(flow.icmpType)/\(flow.icmpCode)" : ""
        lines.append("flow: \(flow.source) -> \(isName ? to : "\(flow.destination)") \(flow.transport)\(detail)")
        if let staged = answer.staged {
            lines.append("staged: \(staged.word): \(staged.reason.label)" + (staged.rule.map { " by \($0)" } ?? ""))
        }
        return lines + answer.trace.map { "  \($0)" }
    }

    private static func json(_ answer: FlowAnswer, from: String, to: String) -> String {
        var line = JSONLine()
        let verdict = answer.verdict
        line.add("verdict", verdict.word)
        line.add("reason", verdict.reason.label)
        line.add("from", from)
        line.add("to", to)
        line.add("protocol", answer.flow.transport.description)
        line.add("port", answer.flow.destinationPort)
        if let rule = verdict.rule { line.add("rule", rule.description) }
        if let location = verdict.rule?.location { line.add("location", location.description) }
        if let pattern = answer.pattern { line.add("pattern", pattern.description) }
        if let name = answer.matchedName { line.add("name", name.description) }
        if answer.nameCheck != .off { line.add("verify_name", answer.nameCheck.rawValue) }
        if !answer.names.isEmpty {
            line.add("dns", answer.names.contains { $0.refusal != nil } ? "refused" : "answered")
            line.add("patterns", Set(answer.names.flatMap { $0.patterns.map(\.description) }).sorted())
        }
        if let staged = answer.staged {
            line.add("staged_verdict", staged.word)
            line.add("staged_reason", staged.reason.label)
            if let rule = staged.rule { line.add("staged_rule", rule.description) }
        }
        line.add("trace", answer.trace)
        return line.finished
    }
}
