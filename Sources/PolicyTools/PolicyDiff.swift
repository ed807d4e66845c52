import NetworkTypes
import PolicyEngine
import PolicyModel

/// Which decisions change from one set of resources to another.
///
/// Endpoints are those of both sets; destinations and ports are taken from the rules that bear on them in either: a name for every pattern,
/// an address within and one beside every net, the addresses of endpoints, and one address and one name that nothing lists; every port that
/// a rule begins or ends with, and one of each protocol that none names. What rules tell apart is thereby asked at least once, unless a
/// bound is reached.
public struct PolicyDiff: Sendable {
    public enum Limit {
        /// Destinations of one endpoint.
        public static let destinationsMax = 4_096
        /// Ports and protocols of one endpoint.
        public static let probesMax = 256
        /// Of all endpoints together, in each of the two sets; the endpoint that reaches it is compared to its end.
        public static let questionsMax = 4_000_000
    }

    /// One destination of one endpoint whose verdict changes, over all ports where it changes in the same way.
    public struct Change: Sendable, Hashable {
        public let endpoint: String
        public let destination: String
        /// `TCP 443`, `UDP other ports`.
        public let ports: [String]
        public let old: FlowAnswer.Verdict
        public let new: FlowAnswer.Verdict
    }

    public private(set) var changes: [Change] = []
    /// Endpoints that are in one of the sets only, `NAMESPACE/NAME`.
    public private(set) var removedEndpoints: [String] = []
    public private(set) var addedEndpoints: [String] = []
    /// Endpoints that were compared, and flows.
    public private(set) var endpointCount = 0
    public private(set) var questionCount = 0
    /// What was left out because a bound was reached, for people.
    public private(set) var leftOut: [String] = []

    /// Whether everything was compared.
    public var isWhole: Bool { leftOut.isEmpty }

    public var isEmpty: Bool { changes.isEmpty && removedEndpoints.isEmpty && addedEndpoints.isEmpty }

    /// `endpoint`: only this one, `NAMESPACE/NAME`.
    public init(
        _ old: ResourceSet, _ new: ResourceSet, options: PolicyOptions = PolicyOptions(), endpoint: String? = nil
    ) throws(PolicyToolError) {
        let unlisted = UnlistedAddresses(old, new).first
        let before = PolicyInspector(old, options: options, elsewhere: unlisted)
        let after = PolicyInspector(new, options: options, elsewhere: unlisted)
        var oldNames = Self.names(before)
        var newNames = Self.names(after)
        guard !oldNames.isEmpty || !newNames.isEmpty else {
            throw PolicyToolError("there is no endpoint in either set", hint: "name their files with --endpoints")
        }
        if let endpoint {
            guard oldNames.contains(endpoint) || newNames.contains(endpoint) else {
                _ = try after.place(of: endpoint)
                return
            }
            oldNames = oldNames.filter { $0 == endpoint }
            newNames = newNames.filter { $0 == endpoint }
        }
        removedEndpoints = oldNames.subtracting(newNames).sorted()
        addedEndpoints = newNames.subtracting(oldNames).sorted()
        let common = oldNames.intersection(newNames).sorted()
        let destinations = [old, new].map { DiffDestinations($0, node: options.node, elsewhere: unlisted) }
        for (done, name) in common.enumerated() {
            guard questionCount < Limit.questionsMax else {
                leftOut.append("\(common.count - done) endpoints: more than \(Limit.questionsMax) questions")
                break
            }
            try compare(name, before, after, destinations)
            endpointCount += 1
        }
    }

    private static func names(_ inspector: PolicyInspector) -> Set<String> {
        Set(inspector.policy.endpoints.filter { !$0.addresses.isEmpty }.map(shortName))
    }

    /// Without the UID, which is another for every pod.
    private static func shortName(_ endpoint: CompiledEndpoint) -> String {
        endpoint.isHost ? endpoint.identity : "\(endpoint.namespace)/\(endpoint.name)"
    }

    private mutating func compare(
        _ name: String, _ before: PolicyInspector, _ after: PolicyInspector, _ sources: [DiffDestinations]
    ) throws(PolicyToolError) {
        let (oldPlace, newPlace) = (try before.place(of: name), try after.place(of: name))
        let (oldEndpoint, newEndpoint) = (before.policy.endpoints[oldPlace], after.policy.endpoints[newPlace])
        var collected = sources[0].collect(for: oldEndpoint)
        collected.merge(sources[1].collect(for: newEndpoint))
        let families = Set(oldEndpoint.addresses.map(\.family)).intersection(newEndpoint.addresses.map(\.family))
        var destinations = collected.destinations(families)
        var probes = collected.probes()
        if destinations.count > Limit.destinationsMax {
            leftOut.append("\(name): \(destinations.count - Limit.destinationsMax) of \(destinations.count) destinations")
            destinations.removeLast(destinations.count - Limit.destinationsMax)
        }
        if probes.count > Limit.probesMax {
            leftOut.append("\(name): \(probes.count - Limit.probesMax) of \(probes.count) ports")
            probes.removeLast(probes.count - Limit.probesMax)
        }
        for destination in destinations {
            var found: [(old: FlowAnswer.Verdict, new: FlowAnswer.Verdict, ports: [String])] = []
            for probe in probes where probe.applies(to: destination.family ?? oldEndpoint.addresses.first?.family) {
                questionCount += 1
                var question = FlowQuestion(
                    endpoint: oldPlace, peer: destination.peer, transport: probe.transport, port: probe.port, icmp: probe.icmp)
                let old = try before.verdict(question)
                question.endpoint = newPlace
                let new = try after.verdict(question)
                guard old.isAllowed != new.isAllowed else { continue }
                if let place = found.firstIndex(where: { $0.old == old && $0.new == new }) {
                    found[place].ports.append(probe.text)
                } else {
                    found.append((old, new, [probe.text]))
                }
            }
            changes += found.map { Change(endpoint: name, destination: destination.text, ports: $0.ports, old: $0.old, new: $0.new) }
        }
    }
}
