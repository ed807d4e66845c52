import PolicyModel

/// The place of a policy, or of a tier's end, among all: tiers by order, those without order last, equal ones by name; within a tier
/// policies likewise; the tier's end behind them (docs.tigera.io, "Network policy": order).
struct OrderKey: Comparable {
    let tierOrder: Double
    let tier: String
    let isTierEnd: Bool
    let order: Double
    let identity: String
    /// Policies of different kinds may bear the same name.
    let kind: String

    init(_ tier: Tier) {
        tierOrder = tier.order ?? .infinity
        self.tier = tier.name
        isTierEnd = true
        order = 0
        identity = ""
        kind = ""
    }

    init(_ policy: NetworkPolicy, in tier: Tier) {
        tierOrder = tier.order ?? .infinity
        self.tier = tier.name
        isTierEnd = false
        order = policy.order ?? .infinity
        identity = policy.identity
        kind = policy.kind.rawValue
    }

    static func < (left: OrderKey, right: OrderKey) -> Bool {
        if left.tierOrder != right.tierOrder { return left.tierOrder < right.tierOrder }
        if left.tier != right.tier { return left.tier < right.tier }
        if left.isTierEnd != right.isTierEnd { return right.isTierEnd }
        if left.order != right.order { return left.order < right.order }
        return left.identity != right.identity ? left.identity < right.identity : left.kind < right.kind
    }

    /// Equal over restarts.
    var hash: UInt64 {
        var hash = StableHash()
        hash.combine(tierOrder.bitPattern)
        hash.combine(tier)
        hash.combine(isTierEnd ? 1 : 0)
        hash.combine(order.bitPattern)
        hash.combine(identity)
        hash.combine(kind)
        return hash.value
    }
}
