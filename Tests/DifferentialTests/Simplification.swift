import PolicyModel

/// One way to make a resource simpler, at one of several places in it.
struct Simplification: Sendable {
    let placesMax: Int
    /// Nil: there is no such place.
    let apply: @Sendable (Resource, Int) -> Resource?

    static var all: [Simplification] { [rulesAway, ingressAway] + policyFields + ruleFields + otherFields }

    private static let rulesAway = Simplification(placesMax: 5) { resource, index in
        switch resource {
        case .policy(var policy) where index < policy.egress.count:
            policy.egress.remove(at: index)
            return .policy(policy)
        case .profile(var profile) where index < profile.egress.count:
            profile.egress.remove(at: index)
            return .profile(profile)
        default: return nil
        }
    }

    private static let ingressAway = policy {
        $0.ingress = []
        if $0.types.contains(.egress) { $0.types = [.egress] }
    }

    private static let policyFields: [Simplification] = [
        policy { $0.selector = .all }, policy { $0.namespaceSelector = nil }, policy { $0.serviceAccountSelector = nil },
        policy { $0.order = nil }, policy { $0.impliesDefault = true }, policy { $0.isExclusive = false },
        policy { $0.deniesByName = false }, policy { $0.queryPolicy = nil },
        policy { $0.appliesOnForward = false },
    ]

    private static let ruleFields: [Simplification] =
        [
            rule { $0.ipVersion = nil }, rule { $0.notProtocol = nil }, rule { $0.icmp = nil }, rule { $0.notICMP = nil },
            rule { $0.source = .any }, rule { $0.destination = .any },
            rule {
                if !hasPorts($0.source), !hasPorts($0.destination), $0.icmp == nil, $0.notICMP == nil { $0.protocol = nil }
            },
        ]
        + [
            entity { $0.nets = [] }, entity { $0.notNets = [] }, entity { $0.selector = nil }, entity { $0.notSelector = nil },
            entity { $0.namespaceSelector = nil }, entity { $0.serviceAccounts = nil }, entity { $0.services = nil },
            entity { $0.ports = [] }, entity { $0.notPorts = [] }, entity { $0.domains = [] }, entity { $0.urls = [] },
            entity { $0.nets = Array($0.nets.prefix(1)) }, entity { $0.notNets = Array($0.notNets.prefix(1)) },
            entity { $0.ports = Array($0.ports.prefix(1)) }, entity { $0.domains = Array($0.domains.prefix(1)) },
            entity { $0.domains = Array($0.domains.suffix(1)) }, entity { $0.nets = Array($0.nets.suffix(1)) },
        ].flatMap { $0 }

    private static let otherFields: [Simplification] = [
        workload { $0.labels = [:] }, workload { $0.profiles = [] }, workload { $0.ports = [] }, workload { $0.serviceAccount = nil },
        workload { $0.orchestrator = nil },
        set { $0.nets = [] }, set { $0.allowedEgressDomains = [] }, set { $0.allowedEgressURLs = [] }, set { $0.labels = [:] },
        set { $0.isExclusive = false }, set { $0.allowedEgressDomains = Array($0.allowedEgressDomains.prefix(1)) },
        set { $0.allowedEgressDomains = Array($0.allowedEgressDomains.suffix(1)) }, set { $0.nets = Array($0.nets.prefix(1)) },
    ]

    private static func hasPorts(_ entity: EntityRule) -> Bool { !entity.ports.isEmpty || !entity.notPorts.isEmpty }

    private static func policy(_ change: @escaping @Sendable (inout NetworkPolicy) -> Void) -> Simplification {
        Simplification(placesMax: 1) { resource, _ in
            guard case .policy(var policy) = resource else { return nil }
            change(&policy)
            return .policy(policy)
        }
    }

    private static func workload(_ change: @escaping @Sendable (inout WorkloadEndpoint) -> Void) -> Simplification {
        Simplification(placesMax: 1) { resource, _ in
            guard case .workloadEndpoint(var workload) = resource else { return nil }
            change(&workload)
            return .workloadEndpoint(workload)
        }
    }

    private static func set(_ change: @escaping @Sendable (inout NetworkSet) -> Void) -> Simplification {
        Simplification(placesMax: 1) { resource, _ in
            guard case .networkSet(var set) = resource else { return nil }
            change(&set)
            return .networkSet(set)
        }
    }

    private static func rule(_ change: @escaping @Sendable (inout PolicyRule) -> Void) -> Simplification {
        Simplification(placesMax: 5) { resource, index in
            switch resource {
            case .policy(var policy) where index < policy.egress.count:
                change(&policy.egress[index])
                return .policy(policy)
            case .profile(var profile) where index < profile.egress.count:
                change(&profile.egress[index])
                return .profile(profile)
            default: return nil
            }
        }
    }

    private static func entity(_ change: @escaping @Sendable (inout EntityRule) -> Void) -> [Simplification] {
        [rule { change(&$0.source) }, rule { change(&$0.destination) }]
    }
}
