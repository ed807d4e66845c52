import DomainNames
import NetworkTypes
import PolicyModel

extension ReferencePolicy {
    /// A policy with its rules written out.
    struct WrittenPolicy {
        let policy: NetworkPolicy
        /// Of egress.
        let rules: [ReferenceRule]
    }

    /// Every policy for egress, in the order of its tier's policies: by order, those without one last; equal ones by name, where
    /// the name of a policy with a namespace begins with it.
    func writtenOut(_ policies: [NetworkPolicy]) -> [WrittenPolicy] {
        var result: [WrittenPolicy] = []
        for policy in policies where policy.types.contains(.egress) {
            let rules = policy.egress.enumerated().map { index, rule in
                writtenOut(
                    rule, index, tier: policy.tier, policy: policy.identity, namespace: policy.namespace,
                    namesCount: rule.action == .allow || (rule.action == .deny && policy.deniesByName))
            }
            result.append(WrittenPolicy(policy: policy, rules: rules))
        }
        return result.sorted { left, right in
            switch (left.policy.order, right.policy.order) {
            case (let a?, let b?) where a != b: a < b
            case (_?, nil): true
            case (nil, _?): false
            default: left.policy.identity < right.policy.identity
            }
        }
    }

    func program(_ endpoint: ReferenceEntity, profiles: [String], _ policies: [WrittenPolicy]) -> ReferenceProgram {
        var program = ReferenceProgram(isHost: endpoint.kind == .host, namesProfile: !profiles.isEmpty)
        let tiers = resources.tiers.sorted { left, right in
            switch (left.order, right.order) {
            case (let a?, let b?) where a != b: a < b
            case (_?, nil): true
            case (nil, _?): false
            default: left.name < right.name
            }
        }
        for tier in tiers {
            var stage = ReferenceProgram.Stage(tier: tier)
            for written in policies where written.policy.tier == tier.name {
                if isSelected(endpoint, by: written.policy) {
                    program.isSelected = true
                    if written.policy.impliesDefault { stage.counts = true }
                    if let queries = written.policy.queryPolicy { program.queryPolicies.insert(queries) }
                    if written.rules.contains(where: { isSource(endpoint, of: $0, namespace: written.policy.namespace) }) {
                        program.queryNames += written.policy.queryNames.map { ReferenceName(pattern: $0, port: nil) }
                    }
                    for rule in written.rules where isSource(endpoint, of: rule, namespace: written.policy.namespace) {
                        stage.rules.append(rule)
                    }
                } else if written.policy.isExclusive || exclusiveByDefault {
                    let names = written.rules.filter { $0.rule.action == .allow }.flatMap { $0.names + $0.setNames }
                    if let rule = implied(names, tier: tier.name, by: written.policy.identity) { stage.rules.append(rule) }
                }
            }
            program.stages.append(stage)
        }
        for set in resources.networkSets where set.isExclusive {
            let isAllowed = program.stages.contains { stage in
                stage.rules.contains { rule in
                    rule.rule.action == .allow && rule.takesNames
                        && (rule.selected?.contains { $0.kind == .set && $0.identity == set.identity } ?? false)
                }
            }
            if !isAllowed, let rule = implied(ReferenceEntity(set, in: resources).names, tier: "", by: set.identity) {
                program.builtIn.append(rule)
            }
        }
        for name in profiles {
            guard let profile = resources.profiles.first(where: { $0.name == name }) ?? Profile.builtIn(name) else { continue }
            for (index, rule) in profile.egress.enumerated() {
                let written = writtenOut(rule, index, tier: "", policy: name, namespace: nil, namesCount: rule.action == .allow)
                if isSource(endpoint, of: written, namespace: nil) { program.profileRules.append(written) }
            }
        }
        return program
    }

    /// A Deny of names for everybody else.
    private func implied(_ names: [ReferenceName], tier: String, by identity: String) -> ReferenceRule? {
        guard !names.isEmpty else { return nil }
        var rule = ReferenceRule(tier: tier, policy: identity, index: nil, rule: PolicyRule(action: .deny))
        rule.names = names.map { ReferenceName(pattern: $0.pattern, port: nil) }
        rule.fields = .init(.domains)
        return rule
    }

    private func writtenOut(
        _ rule: PolicyRule, _ index: Int, tier: String, policy: String, namespace: String?, namesCount: Bool
    ) -> ReferenceRule {
        var result = ReferenceRule(tier: tier, policy: policy, index: index, rule: rule)
        let destination = rule.destination
        result.endpoints = endpoints
        result.names = destination.domains.map { ReferenceName(pattern: $0, port: nil) }
        result.names += destination.urls.map { ReferenceName(pattern: $0.pattern, port: $0.port) }
        if narrows(destination, namespace) {
            let selected = (endpoints + sets).filter { isMember($0, of: destination, namespace) }
            result.selected = selected
            if namesCount, result.takesNames { result.setNames = selected.flatMap(\.names) }
        }
        if let selector = destination.notSelector {
            let tree = vocabulary.tree(of: selector)
            result.notSelected = (endpoints + sets).filter { $0.isSelected(by: tree) }
            if namesCount { result.notSelectedNames = result.notSelected.flatMap(\.names) }
        }
        if narrows(rule.source, namespace) { result.sourceSelected = endpoints.filter { isMember($0, of: rule.source, namespace) } }
        if let service = destination.services {
            let home = service.namespace ?? namespace
            result.slices = resources.serviceEndpoints.filter { $0.service == service.name && $0.namespace == home }
        }
        result.fields = fields(of: rule, result)
        return result
    }

    /// Whether the endpoint is one that the rule is for: its source's selectors select it.
    private func isSource(_ endpoint: ReferenceEntity, of rule: ReferenceRule, namespace: String?) -> Bool {
        let source = rule.rule.source
        if narrows(source, namespace), !isMember(endpoint, of: source, namespace) { return false }
        if let selector = source.notSelector, endpoint.isSelected(by: vocabulary.tree(of: selector)) { return false }
        return true
    }

    /// Whether a half of a rule looks at what the address belongs to, beyond `notSelector` alone in a policy without namespace.
    private func narrows(_ entity: EntityRule, _ namespace: String?) -> Bool {
        if entity.selector != nil || entity.namespaceSelector != nil { return true }
        if let accounts = entity.serviceAccounts, !accounts.names.isEmpty || accounts.selector != nil { return true }
        return namespace != nil && (entity.notSelector != nil || entity.serviceAccounts != nil)
    }

    private func isMember(_ candidate: ReferenceEntity, of entity: EntityRule, _ namespace: String?) -> Bool {
        if let selector = entity.namespaceSelector {
            if !candidate.isSelected(byNamespace: vocabulary.tree(of: selector)) { return false }
        } else if let namespace, candidate.namespace != namespace {
            return false
        }
        if let selector = entity.selector, !candidate.isSelected(by: vocabulary.tree(of: selector)) { return false }
        if let accounts = entity.serviceAccounts {
            if !accounts.names.isEmpty {
                guard let account = candidate.serviceAccount, accounts.names.contains(account) else { return false }
            }
            if let selector = accounts.selector, !candidate.isSelected(byAccount: vocabulary.tree(of: selector)) { return false }
        }
        return true
    }

    func isSelected(_ endpoint: ReferenceEntity, by policy: NetworkPolicy) -> Bool {
        if let namespace = policy.namespace, endpoint.namespace != namespace { return false }
        if !endpoint.isSelected(by: vocabulary.tree(of: policy.selector)) { return false }
        if let selector = policy.namespaceSelector, !endpoint.isSelected(byNamespace: vocabulary.tree(of: selector)) { return false }
        if let selector = policy.serviceAccountSelector, !endpoint.isSelected(byAccount: vocabulary.tree(of: selector)) { return false }
        return true
    }

    private func fields(of rule: PolicyRule, _ written: ReferenceRule) -> ReferenceField.Set {
        var fields: ReferenceField.Set = []
        func note(_ field: ReferenceField, _ isThere: Bool) { if isThere { fields.formUnion(.init(field)) } }
        func named(_ ports: [RulePort]) -> Bool { ports.contains { if case .named = $0 { true } else { false } } }
        let (source, destination) = (rule.source, rule.destination)
        note(.ipVersion, rule.ipVersion != nil)
        note(.transport, rule.protocol != nil)
        note(.notTransport, rule.notProtocol != nil)
        note(.icmp, rule.icmp != nil)
        note(.notICMP, rule.notICMP != nil)
        note(.nets, !destination.nets.isEmpty)
        note(.notNets, !destination.notNets.isEmpty)
        note(.selector, destination.selector != nil)
        note(.namespaceSelector, destination.namespaceSelector != nil)
        note(.serviceAccounts, destination.serviceAccounts != nil)
        note(.notSelector, destination.notSelector != nil)
        note(.ports, !destination.ports.isEmpty)
        note(.namedPorts, named(destination.ports))
        note(.notPorts, !destination.notPorts.isEmpty)
        note(.namedNotPorts, named(destination.notPorts))
        note(.services, destination.services != nil)
        note(.domains, !destination.domains.isEmpty)
        note(.urls, !destination.urls.isEmpty)
        note(.setNames, !written.setNames.isEmpty)
        note(.notSelectorNames, !written.notSelectedNames.isEmpty)
        note(.sourceSelector, source.selector != nil)
        note(.sourceNamespaceSelector, source.namespaceSelector != nil)
        note(.sourceServiceAccounts, source.serviceAccounts != nil)
        note(.sourceNotSelector, source.notSelector != nil)
        note(.sourceNets, !source.nets.isEmpty)
        note(.sourceNotNets, !source.notNets.isEmpty)
        note(.sourcePorts, !source.ports.isEmpty)
        note(.sourceNamedPorts, named(source.ports))
        note(.sourceNotPorts, !source.notPorts.isEmpty)
        return fields
    }
}
