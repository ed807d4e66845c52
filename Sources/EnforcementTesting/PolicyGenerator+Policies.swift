import DomainNames
import NetworkTypes
import PolicyModel

extension PolicyGenerator {
    /// Kinds of policies with the beginning of their names: no two enforced policies share an identity.
    private static let enforcedKinds: [(kind: ResourceKind, prefix: String, isNamespaced: Bool)] = [
        (.networkPolicy, "np", true), (.networkPolicy, "np", true), (.globalNetworkPolicy, "gnp", false),
        (.globalNetworkPolicy, "gnp", false),
        (.globalNetworkPolicy, "gnp", false), (.kubernetesNetworkPolicy, "knp", true), (.clusterNetworkPolicy, "cluster", false),
        (.ciliumNetworkPolicy, "cnp", true), (.ciliumClusterwideNetworkPolicy, "ccnp", false), (.egressFirewall, "fw", true),
    ]
    private static let stagedKinds: [(kind: ResourceKind, prefix: String, isNamespaced: Bool)] = [
        (.stagedNetworkPolicy, "np", true), (.stagedGlobalNetworkPolicy, "gnp", false), (.stagedKubernetesNetworkPolicy, "knp", true),
    ]

    mutating func policy(tiers: [String]) -> NetworkPolicy {
        let isStaged = random.chance(20)
        let (kind, prefix, isNamespaced) = random.pick(isStaged ? Self.stagedKinds : Self.enforcedKinds)
        return policy(
            kind, name: "\(prefix)-\(Int.random(in: 0..<(isCrowded ? 40 : 4), using: &random))",
            namespace: isNamespaced ? random.pick(Self.namespaces) : nil,
            tiers: tiers)
    }

    /// A policy of a kind that keeps to what its origin can say where the engine may rely on it (tier and order of Kubernetes').
    mutating func policy(_ kind: ResourceKind, name: String, namespace: String?, tiers: [String]) -> NetworkPolicy {
        let isKubernetes = kind == .kubernetesNetworkPolicy || kind == .stagedKubernetesNetworkPolicy
        let isStaged = Self.stagedKinds.contains { $0.kind == kind }
        let tier = isKubernetes ? Tier.defaultName : random.chance(45) ? Tier.defaultName : random.pick(tiers)
        var policy = NetworkPolicy(
            name: name, kind: kind, namespace: namespace, tier: tier, order: isKubernetes ? 1_000 : order(), selector: selector(),
            types: random.pick([[.egress], [.egress], [.egress], [.egress], [.ingress, .egress], [.ingress]]))
        if namespace == nil, random.chance(30) { policy.namespaceSelector = namespaceSelector() }
        if random.chance(15) { policy.serviceAccountSelector = accountSelector() }
        policy.impliesDefault = !random.chance(20)
        policy.deniesByName = random.chance(35)
        policy.isExclusive = random.chance(10)
        if random.chance(20) { policy.queryPolicy = random.chance(80) ? .allowed : .any }
        policy.appliesOnForward = namespace == nil && random.chance(20)
        if isStaged { policy.stagedAction = random.pick([.set, .set, .set, .delete, .learn, .ignore]) }
        let place = RulePlace(
            dialect: dialect(of: kind), deniesByName: policy.deniesByName, isProfile: false, namespace: namespace)
        policy.egress = (0..<Int.random(in: 0...(isCrowded ? 8 : 4), using: &random)).map { _ in rule(place) }
        if policy.types.contains(.ingress) { policy.ingress = [rule(RulePlace())] }
        return policy
    }

    private mutating func dialect(of kind: ResourceKind) -> PatternDialect {
        switch kind {
        case .ciliumNetworkPolicy, .ciliumClusterwideNetworkPolicy: random.chance(70) ? .cilium : .ciliumName
        case .clusterNetworkPolicy: .kubernetes
        case .egressFirewall: .ovn
        default: .calico
        }
    }
}
