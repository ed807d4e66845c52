import NetworkTypes
import PolicyEngine
import PolicyModel

/// What one rule matches, with its selectors brought into the form in which they apply; action and place left out.
struct RuleShape: Hashable {
    let rule: PolicyRule
    let source: Selector?
    let destination: Selector?
    /// Of the destination and the source; with the namespace that a service without one is in.
    let services: [ServiceMatch?]
    /// Whether names of network sets count.
    let countsSetNames: Bool

    init(_ rule: PolicyRule, in policy: NetworkPolicy) {
        source = rule.source.effectiveSelector(policyNamespace: policy.namespace)
        destination = rule.destination.effectiveSelector(policyNamespace: policy.namespace)
        services = [rule.destination.services, rule.source.services].map { service in
            service.map { ServiceMatch(name: $0.name, namespace: $0.namespace ?? policy.namespace ?? "default") }
        }
        countsSetNames = rule.action == .allow || (policy.deniesByName && rule.action != .log)
        var plain = rule
        plain.action = .allow
        plain.annotations = [:]
        plain.location = nil
        self.rule = plain
    }

    var hasNames: Bool { !rule.destination.domains.isEmpty || !rule.destination.urls.isEmpty }

    /// Whether it certainly matches every flow that `other` matches.
    func covers(_ other: RuleShape) -> Bool {
        guard rule.ipVersion == nil || rule.ipVersion == other.rule.ipVersion, coversProtocol(of: other.rule), coversICMP(of: other.rule)
        else {
            return false
        }
        guard covers(source, other.source), covers(destination, other.destination),
            services.elementsEqual(other.services, by: { $0 == nil || $0 == $1 })
        else { return false }
        // The same selector matches more where the names of the sets count, and as a negation less.
        if destination != nil, other.countsSetNames, !countsSetNames { return false }
        if rule.destination.notSelector != nil, countsSetNames, !other.countsSetNames { return false }
        return Self.covers(rule.source, other.rule.source) && Self.covers(rule.destination, other.rule.destination)
            && coversNames(of: other)
    }

    private func coversProtocol(of other: PolicyRule) -> Bool {
        if let wanted = rule.protocol, wanted != other.protocol { return false }
        guard let excluded = rule.notProtocol else { return true }
        return excluded == other.notProtocol || (other.protocol.map { $0 != excluded } ?? false)
    }

    private func coversICMP(of other: PolicyRule) -> Bool {
        if let type = rule.icmp?.type {
            guard type == other.icmp?.type, rule.icmp?.code == nil || rule.icmp?.code == other.icmp?.code else { return false }
        }
        guard let type = rule.notICMP?.type else { return true }
        if let wanted = other.icmp?.type, wanted != type { return true }
        return other.notICMP?.type == type && (other.notICMP?.code == nil || other.notICMP?.code == rule.notICMP?.code)
    }

    private func covers(_ selector: Selector?, _ other: Selector?) -> Bool { selector == nil || selector == other }

    private static func covers(_ entity: EntityRule, _ other: EntityRule) -> Bool {
        guard entity.notSelector == nil || entity.notSelector == other.notSelector else { return false }
        if !entity.nets.isEmpty {
            guard !other.nets.isEmpty else { return false }
            let nets = PrefixCover(entity.nets)
            guard other.nets.allSatisfy({ nets.covers($0) }) else { return false }
        }
        if !entity.notNets.isEmpty {
            let excluded = PrefixCover(other.notNets)
            let isDisjoint = { (net: IPPrefix) in !other.nets.isEmpty && !other.nets.contains { $0.contains(net) || net.contains($0) } }
            guard entity.notNets.allSatisfy({ excluded.covers($0) || isDisjoint($0) }) else { return false }
        }
        return coversPorts(entity, other)
    }

    private static func coversPorts(_ entity: EntityRule, _ other: EntityRule) -> Bool {
        if !entity.ports.isEmpty {
            guard !other.ports.isEmpty, other.ports.allSatisfy({ contains(entity.ports, $0) }) else { return false }
        }
        return entity.notPorts.allSatisfy { excluded in
            if contains(other.notPorts, excluded) { return true }
            guard case .range(let range) = excluded, !other.ports.isEmpty else { return false }
            return other.ports.allSatisfy { port in
                guard case .range(let wanted) = port else { return false }
                return wanted.upper < range.lower || range.upper < wanted.lower
            }
        }
    }

    private static func contains(_ ports: [RulePort], _ port: RulePort) -> Bool {
        guard case .range(let wanted) = port else { return ports.contains(port) }
        return ports.contains { entry in
            guard case .range(let range) = entry else { return false }
            return range.lower <= wanted.lower && wanted.upper <= range.upper
        }
    }

    private func coversNames(of other: RuleShape) -> Bool {
        guard hasNames else { return true }
        guard other.hasNames else { return false }
        let (own, theirs) = (rule.destination, other.rule.destination)
        // Long lists are compared as equal ones only.
        guard own.domains.count * theirs.domains.count <= 4_096, own.urls.count * theirs.urls.count <= 4_096 else {
            return own.domains == theirs.domains && own.urls == theirs.urls
        }
        return theirs.domains.allSatisfy { pattern in own.domains.contains { $0.covers(pattern) } }
            && theirs.urls.allSatisfy { url in
                own.domains.contains { $0.covers(url.pattern) }
                    || own.urls.contains { $0.port == url.port && $0.pattern.covers(url.pattern) }
            }
    }
}
