import ArgumentParser
import Daemon
import Datastores
import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel
import Telemetry

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "How a destination would be decided, and why. Exit 0 allow, 3 deny, 1 error.",
        discussion: """
            A name is explained as if the endpoint had just resolved it to an address that no rule lists under nets; an address as \
            if the endpoint had resolved no name to it.
            """)

    @Option(help: "Files or folders of policies and endpoints.")
    var policies: [String]

    @Option(help: "The endpoint: NAMESPACE/NAME.")
    var from: String

    @Option(help: "The destination: a name or an address, with :PORT if it matters.")
    var to: String

    @Option(name: .customLong("protocol"), help: "tcp, udp, icmp, sctp or a number.")
    var transport = "tcp"

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
        guard load.isUsable else { throw ConfigurationFailure(diagnostics: load.diagnostics) }
        guard let transport = TransportProtocol(parsing: transport) else { throw DaemonError("\"\(transport)\" is no protocol") }
        guard let (host, port) = HostAndPort.split(to) else { throw DaemonError("\"\(to)\" is no name or address with a port") }
        var compiler = PolicyCompiler()
        var next: UInt32 = 0
        let policy = compiler.compile(load.resources) { _ in
            defer { next += 1 }
            return EndpointID(rawValue: next)
        }
        guard let position = policy.endpoints.firstIndex(where: { $0.identity == from || "\($0.namespace)/\($0.name)" == from }) else {
            let known = policy.endpoints.map(\.identity).sorted().joined(separator: ", ")
            throw DaemonError("there is no endpoint \(from)", hint: known.isEmpty ? "no file holds a WorkloadEndpoint" : "known: \(known)")
        }
        let endpoint = policy.endpoints[position]
        var bound: Set<SelectorNumber> = []
        let destination: IPAddress
        if let address = IPAddress(parsing: host) {
            destination = address
        } else {
            let name = try DomainName(parsing: host)
            bound = Set(policy.selectors(of: name, endpoint: position)).union([anyNameSelector])
            destination = Self.addressOutside(load.resources)
        }
        let source = endpoint.addresses.first { $0.family == destination.family } ?? endpoint.addresses[0]
        let flow = FlowTuple(
            source: source, destination: destination, transport: transport, sourcePort: transport.hasPorts ? 40_000 : 0,
            destinationPort: transport.hasPorts ? port ?? 443 : 0)
        let (decision, trace) = policy.explain(endpoint: position, flow, bindings: AssumedBindings(selectors: bound))
        report(decision, trace, policy, flow, isName: IPAddress(parsing: host) == nil)
        if !decision.isAllowed { throw ExitCode(3) }
    }

    private func report(
        _ decision: PolicyDecision, _ trace: [CompiledPolicy.TraceLine], _ policy: CompiledPolicy, _ flow: FlowTuple, isName: Bool
    ) {
        let rule = decision.rule == PolicyDecision.noRule ? nil : policy.descriptions[Int(decision.rule)]
        if json {
            var line = JSONLine()
            line.add("verdict", decision.isAllowed ? "allow" : "deny")
            line.add("reason", decision.reason.label)
            line.add("from", from)
            line.add("to", to)
            line.add("protocol", flow.transport.description)
            line.add("port", flow.destinationPort)
            if let rule { line.add("rule", rule.description) }
            if let location = rule?.location { line.add("location", location.description) }
            line.add("trace", trace.map(\.description))
            print(line.finished)
            return
        }
        print("\(decision.isAllowed ? "allow" : "deny"): \(decision.reason.label)")
        if let rule { print("rule: \(rule)" + (rule.location.map { " at \($0)" } ?? "")) }
        print("flow: \(flow.source) -> \(isName ? to : "\(flow.destination)") \(flow.transport) \(flow.destinationPort)")
        for line in trace { print("  \(line)") }
    }

    /// An address of the documentation prefixes that no rule and no set lists, other than by a prefix that holds everything.
    private static func addressOutside(_ resources: ResourceSet) -> IPAddress {
        let candidates = [0xc000_0201, 0xc633_6401, 0xcb00_7101, 0xe9fc_0001].map { IPAddress(v4: UInt32($0)) }
        let listed =
            resources.networkSets.flatMap(\.nets)
            + resources.policies.flatMap(\.egress).flatMap { $0.destination.nets + $0.destination.notNets }
        return candidates.first { candidate in !listed.contains { $0.length > 0 && $0.contains(candidate) } } ?? candidates[0]
    }
}

/// Bindings as they would be after one lookup.
private struct AssumedBindings: BindingLookup {
    let selectors: Set<SelectorNumber>

    func isBound(_ endpoint: EndpointID, to address: IPAddress, selector: SelectorNumber) -> Bool { selectors.contains(selector) }
}
