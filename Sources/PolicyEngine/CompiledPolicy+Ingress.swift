import NetworkTypes
import PolicyModel

/// Ingress is not enforced; it is evaluated for explanations, straight from the resources.
extension CompiledPolicy {
    /// What the policies for ingress say of a flow that another one began towards the endpoint. Goes through everything; allocates.
    ///
    /// `rule` is the one that decided, a tier's default among them; nil if none did.
    public func explainIngress(
        endpoint position: Int, _ flow: FlowTuple
    ) -> (isAllowed: Bool, reason: VerdictReason, rule: RuleDescription?, trace: [TraceLine]) {
        let endpoint = endpoints[position]
        let labels = endpoint.effectiveLabels
        var trace: [TraceLine] = []
        var policies: [NetworkPolicy] = []
        tiers: for slot in parts.sources.order {
            if let source = parts.sources.policies[Int(slot)] {
                let policy = source.policy
                if policy.stagedAction == nil, policy.types.contains(.ingress), source.selector.matches(labels) { policies.append(policy) }
                continue
            }
            // A tier stands behind its policies.
            guard let name = parts.tierNames[slot], let tier = parts.sources.tiers[name] else { continue }
            defer { policies = [] }
            guard !policies.isEmpty else {
                trace.append(TraceLine(.tier, subject: "tier \(name)", outcome: "no policy of it for ingress selects the endpoint"))
                continue
            }
            let counts = policies.contains(where: \.impliesDefault)
            trace.append(
                TraceLine(
                    .tier, subject: "tier \(name)",
                    outcome: counts ? "counts, default \(tier.defaultAction.rawValue)" : "its default action does not count"))
            for (number, policy) in policies.enumerated() {
                trace.append(
                    TraceLine(
                        .policy, subject: "policy \(policy.identity)",
                        outcome: "selects the endpoint, \(number + 1) of \(policies.count) in its tier"))
                for (place, rule) in policy.ingress.enumerated() {
                    let description = RuleDescription(
                        tier: tier.name, policy: policy.identity, rule: place, action: rule.action.rawValue, location: rule.location,
                        direction: .ingress)
                    let why = mismatch(rule, policyNamespace: policy.namespace, flow)
                    trace.append(TraceLine(.rule, rule: description, outcome: why.map { "no match: \($0)" } ?? "match"))
                    guard why == nil else { continue }
                    switch rule.action {
                    case .allow: return (true, .policyAllow, description, trace)
                    case .deny: return (false, .policyDeny, description, trace)
                    case .pass: continue tiers
                    case .log: break
                    }
                }
            }
            guard counts else { continue }
            let description = RuleDescription(
                tier: tier.name, policy: "", rule: nil, action: tier.defaultAction.rawValue, location: tier.location, direction: .ingress)
            let denies = tier.defaultAction == .deny
            trace.append(
                TraceLine(
                    .tierDefault, rule: description,
                    outcome: denies ? "no rule of the tier matched" : "no rule of the tier matched, on to the next tier"))
            if denies { return (false, .tierDefaultDeny, description, trace) }
        }
        return endIngress(endpoint, flow, trace)
    }

    private func endIngress(
        _ endpoint: CompiledEndpoint, _ flow: FlowTuple, _ before: [TraceLine]
    ) -> (isAllowed: Bool, reason: VerdictReason, rule: RuleDescription?, trace: [TraceLine]) {
        var trace = before
        guard !endpoint.profiles.isEmpty else {
            let isAllowed = !endpoint.isHost && unselectedAllowed
            trace.append(
                TraceLine(.profile, subject: "profiles", outcome: "none is named: \(isAllowed ? "allowed" : "denied")"))
            return (isAllowed, isAllowed ? .noPolicy : .noPolicyDeny, nil, trace)
        }
        trace.append(TraceLine(.profile, subject: "profiles", outcome: endpoint.profiles.joined(separator: ", ")))
        for name in endpoint.profiles {
            guard let profile = parts.sources.profiles[name] ?? Profile.builtIn(name) else { continue }
            for (place, rule) in profile.ingress.enumerated() {
                let description = RuleDescription(
                    tier: "", policy: name, rule: place, action: rule.action.rawValue, location: rule.location, origin: .profile,
                    direction: .ingress)
                let why = mismatch(rule, policyNamespace: nil, flow)
                trace.append(TraceLine(.rule, rule: description, outcome: why.map { "no match: \($0)" } ?? "match"))
                guard why == nil else { continue }
                switch rule.action {
                case .allow: return (true, .profileAllow, description, trace)
                case .deny, .pass: return (false, .profileDeny, description, trace)
                case .log: break
                }
            }
        }
        return (false, .profileDeny, nil, trace)
    }

    /// The first criterion that the flow does not fulfil.
    private func mismatch(_ rule: PolicyRule, policyNamespace: String?, _ flow: FlowTuple) -> String? {
        if let family = rule.ipVersion, family != flow.destination.family { return "it is for IPv\(family.rawValue)" }
        if let wanted = rule.protocol, wanted != flow.transport { return "it is for \(wanted)" }
        if let unwanted = rule.notProtocol, unwanted == flow.transport { return "it excludes \(unwanted)" }
        let isICMP = flow.transport == .icmp || flow.transport == .icmpv6
        if let type = rule.icmp?.type {
            guard isICMP, type == flow.icmpType, rule.icmp?.code.map({ $0 == flow.icmpCode }) ?? true else {
                return "the ICMP type or code is another"
            }
        }
        if let type = rule.notICMP?.type {
            guard isICMP, type != flow.icmpType || !(rule.notICMP?.code.map({ $0 == flow.icmpCode }) ?? true) else {
                return "the ICMP type or code is excluded"
            }
        }
        if let why = mismatch(rule.source, rule, policyNamespace, flow.source, flow.sourcePort, flow) { return "source: \(why)" }
        return mismatch(rule.destination, rule, policyNamespace, flow.destination, flow.destinationPort, flow).map { "destination: \($0)" }
    }

    private func mismatch(
        _ entity: EntityRule, _ rule: PolicyRule, _ policyNamespace: String?, _ address: IPAddress, _ port: UInt16, _ flow: FlowTuple
    ) -> String? {
        if !entity.nets.isEmpty, !entity.nets.contains(where: { $0.contains(address) }) { return "in none of its nets" }
        if entity.notNets.contains(where: { $0.contains(address) }) { return "in one of its notNets" }
        if let selector = entity.effectiveSelector(policyNamespace: policyNamespace), !selects(selector, address) {
            return "its selector does not select \(address)"
        }
        if let notSelector = entity.notSelector, selects(notSelector, address) { return "its notSelector selects \(address)" }
        if !entity.ports.isEmpty || !entity.notPorts.isEmpty {
            guard flow.transport.hasPorts else { return "the protocol has no ports" }
            if !entity.ports.isEmpty, !entity.ports.contains(where: { holds($0, rule, address, port) }) {
                return "port \(port) is none of its ports"
            }
            if entity.notPorts.contains(where: { holds($0, rule, address, port) }) { return "port \(port) is one of its notPorts" }
        }
        if let service = entity.services {
            let namespace = service.namespace ?? policyNamespace ?? "default"
            let isInside = parts.sources.services.contains { slice in
                slice.namespace == namespace && slice.service == service.name && slice.addresses.contains(address)
                    && slice.ports.contains { $0.protocol == flow.transport && $0.port == port }
            }
            if !isInside { return "not behind the service \(service.name)" }
        }
        return entity.domains.isEmpty && entity.urls.isEmpty ? nil : "names are not known for ingress"
    }

    private func selects(_ selector: Selector, _ address: IPAddress) -> Bool {
        parts.sources.endpoints.contains { $0.map { $0.addresses.contains(address) && selector.matches($0.effectiveLabels) } ?? false }
            || parts.sources.networkSets.contains { member in
                member.set.nets.contains { $0.contains(address) } && selector.matches(member.labels)
            }
    }

    private func holds(_ port: RulePort, _ rule: PolicyRule, _ address: IPAddress, _ number: UInt16) -> Bool {
        switch port {
        case .range(let range): range.contains(number)
        case .named(let name):
            parts.sources.endpoints.contains { endpoint in
                endpoint.map { endpoint in
                    endpoint.addresses.contains(address)
                        && endpoint.ports.contains { $0.name == name && $0.protocol == rule.protocol && $0.port == number }
                } ?? false
            }
        }
    }
}
