import NetworkTypes
import PolicyEngine

extension EndpointRegistry {
    /// The generations of a policy.
    public struct Generations: Sendable {
        /// One for each endpoint of the policy, in its order.
        public var values: [UInt16] = []
        /// How many endpoints have another one than before.
        public var changed = 0
        /// Addresses of endpoints for which none was free: flows that bear the one that was taken have to be purged, and kernel leases to go.
        public var exhausted: Set<IPAddress> = []

        public init() {}
    }

    /// Gives every endpoint of the policy its generation: another one exactly where its effective policy or its addresses are others. A value that may still be
    /// borne by a conntrack entry, a kernel lease or a verdict on its way is passed over.
    ///
    /// - Parameters:
    ///   - previous: The policy in force; nil at the start of the process.
    ///   - retired: What the kernel has taken back.
    ///   - isClean: Whether no conntrack entry has this address as its source for certain.
    ///   - marks: The generations that the conntrack entries of each address bear, nil if that cannot be told; called at most once, and only if a generation
    ///     is wanted that may be borne.
    public mutating func generations(
        for policy: CompiledPolicy, previous: CompiledPolicy?, retired: RetiredGenerations, now: Instant, isClean: (IPAddress) -> Bool,
        marks: () -> [IPAddress: Set<UInt16>]?
    ) -> Generations {
        var generations = Generations()
        var borne: [IPAddress: Set<UInt16>]??
        for endpoint in policy.endpoints {
            let before = previous?.endpoint(endpoint.id)
            let isNew = before == nil || before?.addresses != endpoint.addresses
            let isUnknown = hasWrapped(endpoint.id) || (isNew && !endpoint.addresses.allSatisfy(isClean))
            let inUse = generation(of: endpoint.id)
            var isTaken = false
            let value = generation(
                of: endpoint.id, fingerprint: Self.fingerprint(endpoint),
                isInForce: { candidate in endpoint.addresses.contains { Self.isInForce(candidate, $0, previous) } },
                isBorne: { candidate in
                    isTaken = endpoint.addresses.contains { address in
                        retired.contains(candidate, of: address, now: now) || Self.isInForce(candidate, address, previous)
                    }
                    // Until its generations begin again, only flows of another owner of its address can bear one that is still to come.
                    if isTaken || !(isUnknown || candidate < inUse) { return isTaken }
                    if borne == nil { borne = .some(marks()) }
                    guard case .some(.some(let known)) = borne else {
                        // Nobody can tell: what bears it, if anything does, is purged.
                        generations.exhausted.formUnion(endpoint.addresses)
                        return false
                    }
                    isTaken = endpoint.addresses.contains { known[$0]?.contains(candidate) ?? false }
                    return isTaken
                })
            if isTaken { generations.exhausted.formUnion(endpoint.addresses) }
            if before?.generation != value { generations.changed += 1 }
            generations.values.append(value)
        }
        return generations
    }

    /// Whether the owner of the address until now has this generation.
    private static func isInForce(_ generation: UInt16, _ address: IPAddress, _ policy: CompiledPolicy?) -> Bool {
        guard let policy, let position = policy.endpointIndex(of: address) else { return false }
        return policy.programs[position].generation == generation
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
