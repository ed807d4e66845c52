import NetworkTypes

/// `cilium.io/v2` CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.
///
/// In Cilium an endpoint that some policy with default deny selects may do what any policy allows and none denies; policies have no
/// order among each other. Here all stand in the tier `default`, beside Kubernetes policies: denials in a policy before everything
/// else, permissions with the order of Kubernetes policies. The policies of the model have no namespace, theirs is part of the
/// selector: a rule must be able to mean "no pod at all", and a namespace would confine it to pods of that namespace.
///
/// Sources: docs.cilium.io, "Layer 3 Policies", "Layer 4 Policies", "Deny Policies", "Policy Enforcement Modes"; the API reference of
/// CiliumNetworkPolicy.
extension ResourceDecoder {
    /// Before every policy that people write.
    static let ciliumDenyOrder = -1e9

    mutating func decodeCiliumPolicy(
        _ metadata: Metadata, spec: ConfigurationField?, specs: ConfigurationField?, kind: ResourceKind, _ document: ConfigurationField,
        _ problems: inout DiagnosticList
    ) -> [NetworkPolicy] {
        refuseDenyDomains(metadata, kind, document, &problems)
        var scope = CiliumScope(namespace: kind.isNamespaced ? metadata.namespace ?? "default" : nil)
        var rules: [(field: ConfigurationField, suffix: String)] = []
        if let spec { rules.append((spec, "")) }
        for (index, element) in (specs?.elements(&problems) ?? []).enumerated() { rules.append((element, "#\(index)")) }
        if rules.isEmpty {
            problems.error(at: document.location, field: "spec", "is required", hint: "or a list of rules under specs")
        }
        let policies = rules.flatMap { decodeCiliumRule($0.field, suffix: $0.suffix, metadata, kind, &scope, &problems) }
        if let field = scope.outside {
            problems.warning(
                at: field.location, field: field.path,
                "nodes, and pods that no WorkloadEndpoint describes, count as outside the cluster here",
                hint: "deny their addresses in a policy of an earlier tier if they must stay closed")
        }
        return policies
    }

    private mutating func decodeCiliumRule(
        _ field: ConfigurationField, suffix: String, _ metadata: Metadata, _ kind: ResourceKind, _ scope: inout CiliumScope,
        _ problems: inout DiagnosticList
    ) -> [NetworkPolicy] {
        let fields = MappingReader.Fields(
            ResourceFields.ciliumRule,
            misplaced: [
                "podSelector": "that is the Kubernetes form; Cilium's field is \"endpointSelector\"",
                "selector": "that is Calico's form; Cilium's field is \"endpointSelector\"",
                "policyTypes": "that is the Kubernetes form; in Cilium the sections say it",
                "types": "that is Calico's form; in Cilium the sections say it",
            ])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return [] }
        reader["nodeSelector"]?.error(
            "rules for nodes are not read: Exeat does not know their labels",
            hint: "a HostEndpoint and a GlobalNetworkPolicy govern a host",
            into: &problems)
        let selector = decodeCiliumSubject(reader, scope, &problems)
        let defaults = decodeDefaultDeny(reader["enableDefaultDeny"], &problems)
        var base = NetworkPolicy(
            name: "", kind: kind, order: Self.kubernetesPolicyOrder, selector: selector ?? .all, types: [],
            annotations: metadata.annotations,
            isExclusive: metadata.isExclusive, nameVerification: metadata.nameVerification, namePorts: metadata.namePorts,
            queryPolicy: metadata.queryPolicy,
            location: field.location)
        scope.queries = nil
        var parts: [CiliumPart] = []
        for direction in [PolicyType.egress, .ingress] {
            parts += decodeCiliumDirection(direction, reader, isDefault: defaults[direction], &scope, &problems)
        }
        if parts.isEmpty {
            problems.warning(
                at: field.location, field: field.path, "has no rules and no default deny: it has no effect",
                hint: "\"egress: [{}]\" denies all egress")
        }
        if let ingress = reader["ingress"] ?? reader["ingressDeny"] {
            problems.warning(
                at: ingress.location, field: ingress.path, "Exeat enforces egress only: for ingress the policy is checked, not enforced")
        }
        if let names = scope.queries {
            base.queryNames = names
            base.queryPolicy = base.queryPolicy ?? .allowed
        }
        let scopeName = kind.isNamespaced ? "cilium" : "cilium-clusterwide"
        let owner = (scope.namespace.map { "\($0)." } ?? "") + metadata.name + suffix
        return CiliumPart.merged(parts).map { part in
            base.name = "\(scopeName)\(part.isDeny ? "-deny" : "")\(part.isSplit ? "-ingress" : "").\(owner)"
            base.order = part.isDeny ? Self.ciliumDenyOrder : Self.kubernetesPolicyOrder
            base.impliesDefault = part.impliesDefault
            base.types = part.types
            base.egress = part.egress
            base.ingress = part.ingress
            return base
        }
    }

    private func decodeDefaultDeny(_ field: ConfigurationField?, _ problems: inout DiagnosticList) -> [PolicyType: Bool] {
        guard let field, let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.ciliumDefaultDeny), &problems) else {
            return [:]
        }
        var result: [PolicyType: Bool] = [:]
        result[.egress] = reader["egress"]?.boolean(&problems)
        result[.ingress] = reader["ingress"]?.boolean(&problems)
        return result
    }

    /// The policies that one direction needs: one for its denials, one for its permissions, or for the default alone. Default deny is on
    /// for a direction that has rules, unless the policy says otherwise.
    private mutating func decodeCiliumDirection(
        _ direction: PolicyType, _ reader: MappingReader, isDefault: Bool?, _ scope: inout CiliumScope, _ problems: inout DiagnosticList
    ) -> [CiliumPart] {
        var parts: [CiliumPart] = []
        var written: [(section: CiliumSection, rules: [PolicyRule])] = []
        for section in CiliumSection.allCases where section.direction == direction {
            guard let field = reader[section.rawValue], let elements = field.elements(&problems) else { continue }
            if elements.isEmpty {
                problems.warning(
                    at: field.location, field: field.path, "an empty list has no effect",
                    hint: section.isDeny
                        ? "remove the field" : "\"\(section.rawValue): [{}]\" denies all \(direction.rawValue.lowercased())")
                continue
            }
            var rules: [PolicyRule] = []
            for element in elements { rules += decodeCiliumRules(element, section, &scope, &problems) }
            written.append((section, rules))
        }
        let impliesDefault = isDefault ?? !written.isEmpty
        for (section, rules) in written {
            parts.append(CiliumPart(isDeny: section.isDeny, direction, rules, impliesDefault: impliesDefault))
        }
        if written.isEmpty, impliesDefault { parts.append(CiliumPart(isDeny: false, direction, [], impliesDefault: true)) }
        return parts
    }
}
