import PolicyEngine
import PolicyModel

/// Looks for what is valid and yet hardly meant: rules that can never match, names that nothing reaches, queries that policy refuses,
/// selectors that select nothing. Findings are warnings.
///
/// A rule is called dead only if that is certain whatever the endpoints; the other findings hold for the resources at hand.
/// About linear in rules and selectors: nothing is compared with everything.
public struct PolicyLint {
    /// What the configuration says about DNS, as far as it bears on policy.
    public enum DNS: Sendable, Hashable {
        /// There is no configuration at hand: defaults count, and what holds only by them is told.
        case unknown
        /// Queries are brought to the resolver ahead of policy.
        case intercepted
        /// Only queries to the resolver's own addresses go ahead of policy (`dns.intercept: false`).
        case notIntercepted
        /// No resolver listens, so nothing is ever learned.
        case notServed
    }

    public struct Options: Sendable {
        public var dns = DNS.unknown
        public var exclusiveByDefault = false

        public init(dns: DNS = .unknown, exclusiveByDefault: Bool = false) {
            self.dns = dns
            self.exclusiveByDefault = exclusiveByDefault
        }
    }

    /// Findings of one run; beyond, only that there are more.
    public static let findingsMax = 1_000

    let resources: ResourceSet
    let options: Options
    /// Enforced ones, in the order in which they are asked.
    let enforced: [NetworkPolicy]

    public init(_ resources: ResourceSet, options: Options = Options()) {
        self.resources = resources
        self.options = options
        enforced = Self.ordered(resources, resources.policies.filter { $0.stagedAction == nil })
    }

    /// By place; at most `findingsMax`, then one that says that there are more.
    public func findings() -> [PolicyDiagnostic] {
        let all = (deadRules() + unreachedNames() + refusedQueries() + serviceNames() + idleSelectors()).sortedByLocation()
        guard all.count > Self.findingsMax else { return all }
        return all.prefix(Self.findingsMax) + [
            PolicyDiagnostic(.warning, at: nil, "more than \(Self.findingsMax) warnings: the rest is left out")
        ]
    }

    /// By tier, order and name, as they are decided.
    private static func ordered(_ resources: ResourceSet, _ policies: [NetworkPolicy]) -> [NetworkPolicy] {
        let tiers = Dictionary(resources.tiers.map { ($0.name, $0.order ?? .infinity) }) { first, _ in first }
        typealias Key = (tierOrder: Double, tier: String, order: Double, identity: String, kind: String)
        let keyed: [(key: Key, policy: NetworkPolicy)] = policies.map {
            ((tiers[$0.tier] ?? .infinity, $0.tier, $0.order ?? .infinity, $0.identity, $0.kind.rawValue), $0)
        }
        return keyed.sorted { $0.key < $1.key }.map(\.policy)
    }

    /// The field of a rule, or of the whole where a rule of the file became several or none of ours.
    static func field(of place: Int, _ direction: PolicyType, in policy: NetworkPolicy) -> String {
        let list = direction == .egress ? "spec.egress" : "spec.ingress"
        switch policy.kind {
        case .networkPolicy, .globalNetworkPolicy, .stagedNetworkPolicy, .stagedGlobalNetworkPolicy: return "\(list)[\(place)]"
        default: return "spec"
        }
    }

    static func rules(of policy: NetworkPolicy, _ direction: PolicyType) -> [PolicyRule] {
        direction == .egress ? policy.egress : policy.ingress
    }

    static func name(ofRule place: Int, _ direction: PolicyType, in policy: NetworkPolicy) -> String {
        RuleDescription(
            tier: policy.tier, policy: policy.identity, rule: place, action: rules(of: policy, direction)[place].action.rawValue,
            location: nil,
            direction: direction
        ).description
    }
}
