import Datastores
import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel
import Testing

/// Policy as YAML text beside the four endpoints of `Scene.endpoints`, compiled, and flows to decide.
struct Scene {
    /// Flows name the endpoints by `metadata.name`.
    static let endpoints = """
        apiVersion: projectcalico.org/v3
        kind: WorkloadEndpoint
        metadata: {name: web, namespace: default, labels: {app: web, zone: front}}
        spec: {interfaceName: cali1, ipNetworks: [198.51.100.1/32, "2001:db8:64::1/128"]}
        ---
        apiVersion: projectcalico.org/v3
        kind: WorkloadEndpoint
        metadata: {name: db, namespace: default, labels: {app: db}}
        spec: {interfaceName: cali2, ipNetworks: [198.51.100.2/32]}
        ---
        apiVersion: projectcalico.org/v3
        kind: WorkloadEndpoint
        metadata: {name: job, namespace: batch, labels: {app: job}}
        spec: {interfaceName: cali3, ipNetworks: [198.51.100.3/32]}
        ---
        apiVersion: projectcalico.org/v3
        kind: WorkloadEndpoint
        metadata: {name: idle, namespace: idle, labels: {app: idle}}
        spec: {interfaceName: cali4, ipNetworks: [198.51.100.4/32]}
        """

    let policy: CompiledPolicy

    init(_ yaml: String, endpoints: String = Scene.endpoints, unselectedAllowed: Bool = true) throws {
        var compiler = PolicyCompiler(PolicyOptions(unselectedAllowed: unselectedAllowed))
        try self.init(yaml, endpoints: endpoints, &compiler)
    }

    init(_ yaml: String, endpoints: String = Scene.endpoints, _ compiler: inout PolicyCompiler) throws {
        policy = Self.compile(try Self.load(endpoints + "\n---\n" + yaml), &compiler)
    }

    /// Numbers the endpoints from 1 in the order of the text.
    static func compile(_ resources: ResourceSet, _ compiler: inout PolicyCompiler) -> CompiledPolicy {
        let identities = resources.endpoints.map(\.identity) + resources.hostEndpoints.map(\.identity)
        let places = Dictionary(uniqueKeysWithValues: identities.enumerated().map { ($1, $0) })
        return compiler.compile(resources) { identity in places[identity].map { EndpointID(rawValue: UInt32($0) + 1) } }
    }

    struct Unreadable: Error, CustomStringConvertible { let description: String }

    static func load(_ yaml: String) throws -> ResourceSet {
        var problems = DiagnosticList()
        let documents = ConfigurationDocument.nodes(yaml: yaml, file: "t.yaml", &problems)
        let resources = ResourceSet(decoding: documents, &problems)
        guard problems.errorCount == 0 else {
            throw Unreadable(description: problems.diagnostics.map(\.description).joined(separator: "\n"))
        }
        return resources
    }

    /// Decides `SOURCE[:PORT] DESTINATION PROTOCOL PORT [as NAME...]`, the client having resolved the destination under these names.
    func decide(_ flow: String) throws -> String {
        let (position, tuple, bindings) = try read(flow)
        let decision = policy.evaluate(endpoint: position, tuple, bindings: bindings)
        return decision.reason.label + (policy.description(ofRule: decision.rule).map { " \($0)" } ?? "")
    }

    func read(_ flow: String) throws -> (endpoint: Int, flow: FlowTuple, bindings: HeldNames) {
        let words = flow.split(separator: " ").map(String.init)
        guard words.count >= 4, let destination = IPAddress(parsing: words[1]), let transport = TransportProtocol(parsing: words[2]),
            let port = UInt16(words[3])
        else { throw Unreadable(description: flow) }
        let from = words[0].split(separator: ":")
        guard let position = policy.endpoints.firstIndex(where: { $0.name == from[0] }),
            let source = policy.endpoints[position].addresses.first(where: { $0.family == destination.family })
        else { throw Unreadable(description: "no such endpoint: \(flow)") }
        let tuple = FlowTuple(
            source: source, destination: destination, transport: transport, sourcePort: from.count > 1 ? UInt16(from[1]) ?? 0 : 40_000,
            destinationPort: port)
        let names = try words.dropFirst(5).map { try DomainName(parsing: $0) }
        return (position, tuple, HeldNames(policy, client: policy.endpoints[position].id, destination, names))
    }

    func endpoint(_ name: String) throws -> CompiledEndpoint {
        try #require(policy.endpoints.first { $0.name == name })
    }

    /// Checks lines of the form `FLOW -> reason [rule]`.
    func check(_ expectations: String, _ title: String = "", sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
        for line in expectations.split(separator: "\n") {
            let sides = line.split(separator: "->", maxSplits: 1).map { $0.trimming() }
            guard sides.count == 2 else { throw Unreadable(description: String(line)) }
            let decided = try decide(sides[0])
            let isExpected = decided == sides[1] || decided.hasPrefix(sides[1] + " ")
            #expect(isExpected, "\(title): \(sides[0]) -> \(decided), expected \(sides[1])", sourceLocation: sourceLocation)
        }
    }
}

extension Substring {
    func trimming() -> String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
