import NetworkTypes
import PolicyEngine

extension EndpointRegistry {
    /// The generations of a policy.
    public struct Generations: Sendable {
        /// One for each endpoint of the policy, in its order.
        public var values: [UInt16] = []
        /// How many endpoints have another one than before.
        public var changed = 0
        /// Addresses of endpoints for which none was free: flows that bear the one that was taken have to be purged, and kernel leases to go. They are told again
        /// until `notePurged`, by the next process too.
        public var exhausted: Set<IPAddress> = []

        public init() {}
    }

    /// Whose flows can bear the generations of an endpoint that is not told by its addresses alone, and which it may have.
    public struct Space: Sendable {
        public let addresses: [IPAddress]
        public let range: ClosedRange<UInt16>

        public init(addresses: [IPAddress], range: ClosedRange<UInt16>) {
            self.addresses = addresses
            self.range = range
        }
    }

    /// Gives every endpoint of the policy its generation: another one exactly where its effective policy or its addresses are others. A value that may still be
    /// borne by a conntrack entry, a kernel lease or a verdict on its way is passed over.
    ///
    /// - Parameters:
    ///   - previous: The policy in force; nil at the start of the process.
    ///   - retired: What the kernel has taken back.
    ///   - isClean: Whether no conntrack entry has this address as its source for certain.
    ///   - space: Of the node and its classes of processes, which share their addresses; nil of an endpoint that has its own.
    ///   - marks: The generations that the conntrack entries of each address bear, nil if that cannot be told; called at most once, and only if a generation
    ///     is wanted that may be borne.
    public mutating func generations(
        for policy: CompiledPolicy, previous: CompiledPolicy?, retired: RetiredGenerations, now: Instant, isClean: (IPAddress) -> Bool,
        space: (CompiledEndpoint) -> Space? = { _ in nil }, marks: () -> [IPAddress: Set<UInt16>]?
    ) -> Generations {
        var generations = Generations()
        var borne: [IPAddress: Set<UInt16>]??
        for endpoint in policy.endpoints {
            let own = space(endpoint)
            let addresses = own?.addresses ?? endpoint.addresses
            let inForce = Self.inForce(endpoint, addresses, previous)
            let before = previous?.endpoint(endpoint.id)
            let isNew = before == nil || before?.addresses != endpoint.addresses
            let isUnknown = hasWrapped(endpoint.id) || (isNew && !addresses.allSatisfy(isClean))
            let inUse = generation(of: endpoint.id)
            var isUntold = false
            let value = generation(
                of: endpoint.id, fingerprint: Self.fingerprint(endpoint), in: own?.range, isInForce: inForce.contains,
                isDoubtful: { isUntold },
                isBorne: { candidate in
                    let isTaken = inForce.contains(candidate) || addresses.contains { retired.contains(candidate, of: $0, now: now) }
                    // Until its generations begin again, only flows of another owner of its address can bear one that is still to come.
                    if isTaken || !(isUnknown || candidate < inUse) { return isTaken }
                    if borne == nil { borne = .some(marks()) }
                    guard case .some(.some(let known)) = borne else {
                        // Nobody can tell: what bears it, if anything does, is purged.
                        isUntold = true
                        return false
                    }
                    return addresses.contains { known[$0]?.contains(candidate) ?? false }
                })
            if isPurgeDue(endpoint.id) { generations.exhausted.formUnion(addresses) }
            if before?.generation != value { generations.changed += 1 }
            generations.values.append(value)
        }
        return generations
    }

    /// What the owners of these addresses until now have; of a class of processes, what whoever was this class has.
    private static func inForce(_ endpoint: CompiledEndpoint, _ addresses: [IPAddress], _ policy: CompiledPolicy?) -> [UInt16] {
        guard let policy else { return [] }
        if endpoint.classNumber != 0 {
            return policy.endpointIndex(ofClass: endpoint.classNumber).map { [policy.endpoints[$0].generation] } ?? []
        }
        return addresses.compactMap { policy.endpointIndex(of: $0).map { policy.programs[$0].generation } }
    }

    /// Of policy and addresses: an endpoint that gets another address gets a new generation, because flows that began there under
    /// another owner may bear its old one.
    static func fingerprint(_ endpoint: CompiledEndpoint) -> UInt64 {
        endpoint.addresses.reduce(endpoint.fingerprint) { value, address in
            var value = (value ^ UInt64(address.family.rawValue)) &* 0x0000_0100_0000_01b3
            for word in [address.upper, address.lower] {
                value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
                value ^= value >> 32
            }
            return value
        }
    }
}
