import DomainNames
import NetworkTypes
import PolicyModel

/// Walks over policies in their order and finds rules that an earlier rule covers. Earlier rules are found by what they ask of the
/// destination, so that no rule is compared with all of them.
struct DeadRuleSearch {
    /// A rule that decides (Allow, Deny, Pass).
    private struct Decider {
        let shape: RuleShape
        let policy: Int
        let place: Int
    }

    /// Where a decider that covers a rule must stand.
    private enum Destination: Hashable {
        case any
        case net(IPPrefix)
        case selector(Selector)
        case service(ServiceMatch)
        case tail(Substring)
    }

    private struct Key: Hashable {
        let scope: PolicyScope
        let destination: Destination
    }

    private(set) var findings: [PolicyDiagnostic] = []
    private let direction: PolicyType
    private let namesDecideQueries: Bool
    private var policies: [NetworkPolicy] = []
    private var deciders: [Key: [Decider]] = [:]
    private var netLengths: Set<UInt8> = []

    /// So many deciders of one kind are kept, the earliest: beyond, a dead rule may go unnoticed.
    private static let decidersMax = 32

    init(direction: PolicyType, namesDecideQueries: Bool) {
        self.direction = direction
        self.namesDecideQueries = namesDecideQueries
    }

    /// What comes does not stand behind what was visited.
    mutating func forgetPolicies() {
        deciders.removeAll(keepingCapacity: true)
        netLengths = []
    }

    mutating func visit(_ policy: NetworkPolicy) {
        let scope = PolicyScope(policy)
        let scopes = scope.covering
        let number = policies.count
        policies.append(policy)
        let rules = PolicyLint.rules(of: policy, direction)
        // Rules that stand at one place of the file come from one rule there: it is dead if all of them are.
        var groups: [(places: [Int], covers: [Decider])] = []
        var isAlive: [Bool] = []
        for (place, rule) in rules.enumerated() {
            let shape = RuleShape(rule, in: policy)
            if place == 0 || rule.location == nil || rule.location != rules[place - 1].location {
                groups.append(([], []))
                isAlive.append(false)
            }
            groups[groups.count - 1].places.append(place)
            if let cover = cover(of: shape, rule, policy, scopes) {
                groups[groups.count - 1].covers.append(cover)
            } else {
                isAlive[isAlive.count - 1] = true
                if rule.action != .log { insert(Decider(shape: shape, policy: number, place: place), scope) }
            }
        }
        for (group, isAlive) in zip(groups, isAlive) where !isAlive {
            guard let place = group.places.first, let cover = group.covers.first else { continue }
            report(place, in: policy, cover, isOwn: cover.policy == number)
        }
    }

    private mutating func report(_ place: Int, in policy: NetworkPolicy, _ cover: Decider, isOwn: Bool) {
        guard findings.count <= PolicyLint.findingsMax else { return }
        let rule = PolicyLint.rules(of: policy, direction)[place]
        let other = policies[cover.policy]
        let otherRule = PolicyLint.rules(of: other, direction)[cover.place]
        let name =
            isOwn ? PolicyLint.field(of: cover.place, direction, in: other) : PolicyLint.name(ofRule: cover.place, direction, in: other)
        let message =
            isOwn && name == "spec"
            ? "the rule can never match: an earlier one of this policy (\(otherRule.action.rawValue)) takes all that it would"
            : "the rule can never match: \(name) (\(otherRule.action.rawValue)) takes all that it would"
        findings.append(
            PolicyDiagnostic(
                .warning, at: rule.location ?? policy.location, field: PolicyLint.field(of: place, direction, in: policy), message,
                hint: (otherRule.location ?? other.location).map { "at \($0); remove the rule or move it up" }))
    }

    private func cover(of shape: RuleShape, _ rule: PolicyRule, _ policy: NetworkPolicy, _ scopes: [PolicyScope]) -> Decider? {
        let needsNames = namesDecideQueries && shape.hasNames
        for destination in destinations(covering: shape) {
            for scope in scopes {
                for decider in deciders[Key(scope: scope, destination: destination)] ?? []
                where decider.shape.covers(shape) && (!needsNames || decider.shape.hasNames) {
                    return decider
                }
            }
        }
        return nil
    }

    private mutating func insert(_ decider: Decider, _ scope: PolicyScope) {
        for destination in destinations(of: decider.shape) {
            let key = Key(scope: scope, destination: destination)
            if deciders[key]?.count ?? 0 < Self.decidersMax { deciders[key, default: []].append(decider) }
            if case .net(let net) = destination { netLengths.insert(net.length) }
        }
    }

    /// Under which a decider is kept: what it asks for first.
    private func destinations(of shape: RuleShape) -> [Destination] {
        let entity = shape.rule.destination
        if shape.hasNames {
            return Set(entity.domains.map(\.tail) + entity.urls.map { $0.pattern.tail }).map { .tail($0) }
        }
        if !entity.nets.isEmpty { return Set(entity.nets).map { .net($0) } }
        if let selector = shape.destination { return [.selector(selector)] }
        if let service = shape.services[0] { return [.service(service)] }
        return [.any]
    }

    /// Under which a decider that covers the rule is found.
    private func destinations(covering shape: RuleShape) -> [Destination] {
        let entity = shape.rule.destination
        var result: [Destination] = [.any]
        if let pattern = entity.domains.first ?? entity.urls.first?.pattern {
            var tail = pattern.tail
            while true {
                result.append(.tail(tail))
                guard let dot = tail.firstIndex(of: ".") else { break }
                tail = tail[tail.index(after: dot)...]
            }
        }
        if let net = entity.nets.first {
            for length in netLengths where length <= net.length {
                if let wider = IPPrefix(net.address, length: Int(length)) { result.append(.net(wider)) }
            }
        }
        if let selector = shape.destination { result.append(.selector(selector)) }
        if let service = shape.services[0] { result.append(.service(service)) }
        return result
    }
}
