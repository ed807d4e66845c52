import DomainNames
import NetworkTypes

/// All policy of the node, compiled to flat, immutable tables of numbers.
///
///     endpoint -> steps [policy A][policy B][tier end][policy C][tier end]
///                          |
///                          v
///                 rules [..][..][..] -> slices of address ranges and port ranges, selector numbers
///
/// Policies that treat several endpoints alike share their rules. Verdict threads read it without locks; the control
/// plane makes a new one for every change and publishes it whole.
public final class CompiledPolicy: Sendable {
    /// Rises with every compilation.
    public let version: UInt32
    public let endpoints: [CompiledEndpoint]
    /// Patterns of every domain list, each with the selector numbers of the lists that hold it.
    public let domains: DomainTrie
    public let descriptions: [RuleDescription]
    public let unselectedAllowed: Bool

    /// In the order of `endpoints`.
    public let programs: [EndpointProgram]
    private let positions: [EndpointID: Int]
    @usableFromInline let index: AddressIndex
    @usableFromInline let steps: [PolicyStep]
    @usableFromInline let rules: [CompiledRule]
    @usableFromInline let ranges: [AddressRange]
    @usableFromInline let ports: [PortRange]
    /// Selector numbers of every domain list, for reports.
    public let selectorPatterns: [SelectorNumber: [DomainPattern]]

    init(
        version: UInt32, endpoints: [CompiledEndpoint], domains: DomainTrie, descriptions: [RuleDescription], unselectedAllowed: Bool,
        steps: [PolicyStep], rules: [CompiledRule], ranges: [AddressRange], ports: [PortRange],
        selectorPatterns: [SelectorNumber: [DomainPattern]]
    ) {
        self.version = version
        self.endpoints = endpoints
        self.domains = domains
        self.descriptions = descriptions
        self.unselectedAllowed = unselectedAllowed
        self.steps = steps
        self.rules = rules
        self.ranges = ranges
        self.ports = ports
        self.selectorPatterns = selectorPatterns
        positions = Dictionary(endpoints.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        programs = endpoints.map {
            EndpointProgram(
                id: $0.id, generation: $0.generation, isPoliced: $0.isPoliced, firstStep: $0.firstStep, stepCount: $0.stepCount)
        }
        index = AddressIndex(
            endpoints.enumerated().flatMap { position, endpoint in endpoint.addresses.map { ($0, UInt32(position)) } })
    }

    /// Place in `endpoints` of the endpoint that has this address.
    @inlinable
    public func endpointIndex(of address: IPAddress) -> Int? { index.find(address) }

    /// The endpoint with this number.
    public func endpoint(_ id: EndpointID) -> CompiledEndpoint? { positions[id].map { endpoints[$0] } }

    /// The same policy with generations set, in the order of `endpoints`.
    public func withGenerations(_ generations: [UInt16]) -> CompiledPolicy {
        precondition(generations.count == endpoints.count, "one generation for each endpoint")
        var stamped = endpoints
        for position in stamped.indices { stamped[position].generation = generations[position] }
        return CompiledPolicy(
            version: version, endpoints: stamped, domains: domains, descriptions: descriptions, unselectedAllowed: unselectedAllowed,
            steps: steps, rules: rules, ranges: ranges, ports: ports, selectorPatterns: selectorPatterns)
    }
}
