import NetworkTypes

/// `k8s.ovn.org/v1` EgressFirewall of OVN-Kubernetes.
///
/// A connection that leaves the cluster must pass both the namespace's EgressFirewall and the policies of Kubernetes. The firewall so
/// has a tier of its own before the tier `default`: what it denies is denied, what it allows passes on.
///
/// Sources: ovn-kubernetes.io, "EgressFirewall"; the type comments of ovn-kubernetes, crd/egressfirewall/v1; docs.redhat.com,
/// "Configuring an egress firewall for a project".
extension ResourceDecoder {
    private enum FirewallAction: String, CaseIterable {
        case allow = "Allow"
        case deny = "Deny"
    }

    /// There is one for each namespace, with this name.
    private static let firewallName = "default"
    private static let firewallRulesMax = 8000

    mutating func decodeEgressFirewall(
        _ metadata: Metadata, spec: ConfigurationField?, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> [NetworkPolicy] {
        if metadata.name != Self.firewallName {
            metadata.nameField.error(
                "an EgressFirewall has the name \"\(Self.firewallName)\", not \"\(metadata.name)\"",
                hint: "a namespace has one, OVN-Kubernetes looks at no other", into: &problems)
        }
        guard let spec else {
            problems.error(at: document.location, field: "spec", "is required", hint: "add it")
            return []
        }
        let fields = MappingReader.Fields(
            ResourceFields.egressFirewall, misplaced: ["podSelector": "an EgressFirewall is for every pod of its namespace"])
        guard let reader = MappingReader(spec, fields: fields, &problems), let list = reader.required("egress", &problems),
            let elements = list.elements(&problems)
        else { return [] }
        if elements.count > Self.firewallRulesMax {
            list.error("has \(elements.count) rules, \(Self.firewallRulesMax) are allowed", hint: "join prefixes", into: &problems)
        }
        var rules = [Self.insideRule(document.location)]
        for element in elements { rules += decodeFirewallRule(element, &problems) }
        return [
            NetworkPolicy(
                name: metadata.name, kind: .egressFirewall, namespace: metadata.namespace, tier: Tier.egressFirewallName, order: 0,
                selector: Selector(root: Self.anyPod), types: [.egress], egress: rules, annotations: metadata.annotations,
                impliesDefault: false, isExclusive: metadata.isExclusive, deniesByName: true,
                nameVerification: metadata.nameVerification, namePorts: metadata.namePorts, queryPolicy: metadata.queryPolicy,
                location: document.location)
        ]
    }

    /// Traffic to pods of any namespace does not leave the cluster.
    private static func insideRule(_ location: SourceLocation?) -> PolicyRule {
        PolicyRule(
            action: .pass, destination: EntityRule(selector: Selector(root: anyPod), namespaceSelector: .all), location: location)
    }

    private func decodeFirewallRule(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [PolicyRule] {
        let fields = MappingReader.Fields(
            ResourceFields.egressFirewallRule,
            misplaced: ["action": "here the field is \"type\"", "cidrSelector": "belongs under \"to\"", "dnsName": "belongs under \"to\""])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return [] }
        let action = reader.required("type", &problems)?.choice(FirewallAction.self, &problems)
        let groups = reader["ports"].map { decodeFirewallPorts($0, &problems) } ?? KubernetesPortGroups()
        guard let entity = reader.required("to", &problems).flatMap({ decodeFirewallDestination($0, action, &problems) }), let action else {
            return []
        }
        return groups.applied(
            to: PolicyRule(action: action == .allow ? .pass : .deny, destination: entity, location: field.location))
    }

    private func decodeFirewallDestination(_ field: ConfigurationField, _ action: FirewallAction?, _ problems: inout DiagnosticList)
        -> EntityRule?
    {
        let names = ResourceFields.egressFirewallDestination
        guard let reader = MappingReader(field, fields: MappingReader.Fields(names), &problems),
            let (name, value) = onlyField(of: reader, among: names, field, &problems)
        else { return nil }
        switch name {
        case "cidrSelector": return decodeCIDR(value, &problems).map { EntityRule(nets: [$0]) }
        case "dnsName": return decodeName(value, dialect: .ovn, isOpening: action == .allow, &problems).map { EntityRule(domains: [$0]) }
        default:
            value.error(
                "nodes cannot be selected: Exeat knows neither their labels nor their addresses",
                hint: "write a rule with cidrSelector for each address", into: &problems)
            return nil
        }
    }

    /// An empty list, like none, means all traffic.
    private func decodeFirewallPorts(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> KubernetesPortGroups {
        var groups = KubernetesPortGroups()
        warnOfEmptyList(field, &problems)
        for element in field.elements(&problems) ?? [] {
            guard let reader = MappingReader(element, fields: MappingReader.Fields(ResourceFields.egressFirewallPort), &problems) else {
                continue
            }
            let `protocol` = reader.required("protocol", &problems)?.choice(KubernetesProtocol.self, &problems)
            let port = reader.required("port", &problems).flatMap { decodePortNumber($0, &problems) }
            if let `protocol`, let port { groups.add(`protocol`.transport, .range(PortRange(port))) }
        }
        return groups
    }
}
