import DomainNames
import PolicyModel

/// What the configuration says about policy as a whole.
public struct PolicyOptions: Sendable, Hashable {
    /// What becomes of a workload's flow that no tier decided, if the workload names no profile (Kubernetes: allowed).
    public var unselectedAllowed: Bool
    /// Every policy is treated as if it were annotated `exeat.io/exclusive: "true"`.
    public var exclusiveByDefault: Bool
    /// For policies without the annotation `exeat.io/verify-name`.
    public var nameVerification: NameVerification
    /// For endpoints of which no policy says it (annotation `exeat.io/query-policy`).
    public var queryPolicy: QueryPolicy
    /// Names at or below these may be asked for by anybody whom no rule denies them.
    public var queryExemptZones: [DomainName]
    /// What is refused ahead of all policy.
    public var builtIns: BuiltInRules
    /// Resolvers that host endpoints may ask whatever policy says; failsafe ports 53 without `net` mean these alone. Nil: not known, such
    /// ports mean any server.
    public var trustedResolvers: [TrustedResolver]?
    /// The name of this node: the FelixConfiguration `node.NAME` counts beside `default`, and no other. Nil: `default` alone.
    public var node: String?

    public init(
        unselectedAllowed: Bool = true, exclusiveByDefault: Bool = false, nameVerification: NameVerification = .observe,
        queryPolicy: QueryPolicy = .any, queryExemptZones: [DomainName] = [], builtIns: BuiltInRules = .none,
        trustedResolvers: [TrustedResolver]? = nil, node: String? = nil
    ) {
        self.node = node
        self.builtIns = builtIns
        self.trustedResolvers = trustedResolvers
        self.unselectedAllowed = unselectedAllowed
        self.exclusiveByDefault = exclusiveByDefault
        self.nameVerification = nameVerification
        self.queryPolicy = queryPolicy
        self.queryExemptZones = queryExemptZones
    }
}
