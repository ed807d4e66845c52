import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel

/// What should be decided, worked out slowly and plainly from the current inputs: policy, endpoints, bindings, admissions
/// and time. Shares no table and no code of the engine; names are matched pattern by pattern.
public struct ReferenceModel {
    struct Binding: Hashable {
        let client: String
        let name: DomainName
        let address: IPAddress
    }

    struct ClientAddress: Hashable {
        let client: String
        let address: IPAddress
    }

    var resources = ResourceSet()
    var now = Instant(nanoseconds: 0)
    /// When each binding ends. Bindings that ended stay here until nobody can tell the difference.
    var expiries: [Binding: Instant] = [:]
    /// When a flow was first admitted by a name, for each client and address that has a binding.
    var firstAdmissions: [ClientAddress: Instant] = [:]

    /// Learning lengthens, never shortens.
    mutating func learn(_ name: DomainName, _ addresses: [IPAddress], expiry: Instant, client: String) {
        for address in addresses {
            let binding = Binding(client: client, name: name, address: address)
            expiries[binding] = max(expiries[binding] ?? expiry, expiry)
        }
    }

    /// Takes over when a binding ends, which may be earlier by the slack of renewals. False if it is earlier still, or later.
    mutating func settle(_ name: DomainName, _ address: IPAddress, at actual: Instant, client: String, slack: UInt64) -> Bool {
        let binding = Binding(client: client, name: name, address: address)
        guard let expected = expiries[binding] else { return false }
        expiries[binding] = actual
        return actual <= expected && actual.advanced(byNanoseconds: slack) >= expected
    }

    /// Whether a binding counts for a flow that is new, or that was admitted before.
    func counts(_ binding: Binding, wasAdmitted: Bool) -> Bool {
        guard let expiry = expiries[binding] else { return false }
        if now <= expiry { return true }
        guard wasAdmitted, let first = firstAdmissions[ClientAddress(client: binding.client, address: binding.address)] else {
            return false
        }
        return first <= expiry
    }

    /// Names under which the client may reach the address now.
    func names(_ client: String, _ address: IPAddress, wasAdmitted: Bool) -> [DomainName] {
        expiries.keys.filter { $0.client == client && $0.address == address && counts($0, wasAdmitted: wasAdmitted) }.map(\.name)
    }

    mutating func noteAdmission(_ client: String, _ address: IPAddress) {
        let key = ClientAddress(client: client, address: address)
        if firstAdmissions[key] == nil { firstAdmissions[key] = now }
    }

    /// Forgets what has ended and drains for no flow.
    mutating func forgetEnded(unless isInUse: (String, IPAddress) -> Bool) {
        for (binding, expiry) in expiries where expiry < now {
            if counts(binding, wasAdmitted: true), isInUse(binding.client, binding.address) { continue }
            expiries[binding] = nil
        }
        let held = Set(expiries.keys.map { ClientAddress(client: $0.client, address: $0.address) })
        firstAdmissions = firstAdmissions.filter { held.contains($0.key) }
    }

    mutating func forgetClients(except identities: Set<String>) {
        expiries = expiries.filter { identities.contains($0.key.client) }
        firstAdmissions = firstAdmissions.filter { identities.contains($0.key.client) }
    }

    /// The decision for one flow, and whether it hung on a name.
    func decide(_ endpoint: WorkloadEndpoint, _ flow: FlowTuple, wasAdmitted: Bool) -> (isAllowed: Bool, byName: Bool) {
        let labels = endpoint.effectiveLabels
        let names = names(endpoint.identity, flow.destination, wasAdmitted: wasAdmitted)
        let tiers = resources.tiers.sorted { ($0.order ?? .infinity, $0.name) < ($1.order ?? .infinity, $1.name) }
        nextTier: for tier in tiers {
            let policies = resources.policies.filter {
                $0.tier == tier.name && $0.types.contains(.egress) && ($0.namespace ?? endpoint.namespace) == endpoint.namespace
                    && $0.selector.matches(labels)
            }.sorted { ($0.order ?? .infinity, $0.identity) < ($1.order ?? .infinity, $1.identity) }
            if policies.isEmpty { continue }
            for (rule, scope) in policies.flatMap({ policy in policy.egress.map { ($0, policy.namespace) } }) {
                guard let byName = matches(rule, scope, flow, names) else { continue }
                switch rule.action {
                case .allow: return (true, byName)
                case .deny: return (false, byName)
                case .pass: continue nextTier
                case .log: continue
                }
            }
            if tier.defaultAction == .deny { return (false, false) }
        }
        return (true, false)
    }

    /// nil: no match; else whether a name was needed.
    private func matches(_ rule: PolicyRule, _ scope: String?, _ flow: FlowTuple, _ names: [DomainName]) -> Bool? {
        if let family = rule.ipVersion, family != flow.destination.family { return nil }
        if let wanted = rule.protocol, wanted != flow.transport { return nil }
        if let unwanted = rule.notProtocol, unwanted == flow.transport { return nil }
        let destination = rule.destination
        let hasPorts = flow.transport == .tcp || flow.transport == .udp
        if !destination.ports.isEmpty {
            guard hasPorts, destination.ports.contains(where: { $0.contains(flow.destinationPort) }) else { return nil }
        }
        if !destination.notPorts.isEmpty {
            guard hasPorts, !destination.notPorts.contains(where: { $0.contains(flow.destinationPort) }) else { return nil }
        }
        if !destination.nets.isEmpty, !destination.nets.contains(where: { $0.contains(flow.destination) }) { return nil }
        if destination.notNets.contains(where: { $0.contains(flow.destination) }) { return nil }
        var byName = false
        if let selector = destination.selector {
            // The selector of a policy with a namespace looks no further than that.
            let sets = resources.networkSets.filter { (scope == nil || $0.namespace == scope) && selector.matches($0.effectiveLabels) }
            let endpoints = resources.endpoints.filter { (scope == nil || $0.namespace == scope) && selector.matches($0.effectiveLabels) }
            let isInside =
                sets.contains { $0.nets.contains { $0.contains(flow.destination) } }
                || endpoints.contains { $0.addresses.contains(flow.destination) }
            if !isInside {
                guard rule.action == .allow, sets.contains(where: { hit($0.allowedEgressDomains, names) }) else { return nil }
                byName = true
            }
        }
        if !destination.domains.isEmpty {
            guard hit(destination.domains, names) else { return nil }
            byName = true
        }
        return byName
    }

    private func hit(_ patterns: [DomainPattern], _ names: [DomainName]) -> Bool {
        patterns.contains { pattern in names.contains { pattern.matches($0) } }
    }
}
