import NetworkTypes

/// `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy, in the tiers that Calico has for it.
///
/// Sources: the type comments of kubernetes-sigs/network-policy-api, apis/v1alpha2; network-policy-api.sigs.k8s.io.
extension ResourceDecoder {
    private enum ClusterTier: String, CaseIterable {
        case admin = "Admin"
        case baseline = "Baseline"

        var name: String { self == .admin ? Tier.kubeAdminName : Tier.kubeBaselineName }
    }

    private enum ClusterAction: String, CaseIterable {
        case accept = "Accept"
        case deny = "Deny"
        case pass = "Pass"

        var action: RuleAction {
            switch self {
            case .accept: .allow
            case .deny: .deny
            case .pass: .pass
            }
        }
    }

    /// So many rules a direction, peers a rule, networks or names a peer, protocols a rule.
    private static let clusterItemsMax = 25
    private static let clusterRuleNameMax = 100

    mutating func decodeClusterNetworkPolicy(
        _ metadata: Metadata, spec: ConfigurationField?, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> [NetworkPolicy] {
        refuseDenyDomains(metadata, .clusterNetworkPolicy, document, &problems)
        guard let spec else {
            problems.error(at: document.location, field: "spec", "is required", hint: "add it")
            return []
        }
        let fields = MappingReader.Fields(
            ResourceFields.clusterNetworkPolicy,
            misplaced: ["order": "here the field is \"priority\"", "selector": "here the field is \"subject\""])
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return [] }
        let tier = reader.required("tier", &problems)?.choice(ClusterTier.self, &problems)
        let priority = reader.required("priority", &problems)?.integer(in: 0...1000, &problems)
        let subject = reader.required("subject", &problems).flatMap { decodeClusterSubject($0, &problems) }
        let ingress = decodeClusterRules(reader["ingress"], .ingress, &problems)
        let egress = decodeClusterRules(reader["egress"], .egress, &problems)
        if let field = reader["ingress"], !ingress.isEmpty {
            problems.warning(
                at: field.location, field: field.path, "Exeat enforces egress only: for ingress the policy is checked, not enforced")
        }
        guard let tier, let priority, let subject else { return [] }
        var types: Set<PolicyType> = []
        if !ingress.isEmpty { types.insert(.ingress) }
        if !egress.isEmpty { types.insert(.egress) }
        return [
            NetworkPolicy(
                name: "kcnp.\(tier.name).\(metadata.name)", kind: .clusterNetworkPolicy, tier: tier.name, order: Double(priority),
                selector: subject.selector ?? .all, namespaceSelector: subject.namespaceSelector, types: types, ingress: ingress,
                egress: egress, annotations: metadata.annotations, isExclusive: metadata.isExclusive,
                nameVerification: metadata.nameVerification, namePorts: metadata.namePorts, queryPolicy: metadata.queryPolicy,
                location: document.location)
        ]
    }

    /// At least one element and at most `clusterItemsMax`.
    private func clusterElements(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [ConfigurationField] {
        guard let elements = field.elements(&problems) else { return [] }
        if elements.isEmpty { field.error("must not be empty", hint: "name at least one", into: &problems) }
        if elements.count > Self.clusterItemsMax {
            field.error("has \(elements.count) elements, \(Self.clusterItemsMax) are allowed", hint: "write several rules", into: &problems)
        }
        return elements
    }

    private func decodeClusterSubject(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> EntityRule? {
        let fields = MappingReader.Fields(ResourceFields.clusterPolicySubject)
        guard let reader = MappingReader(field, fields: fields, &problems),
            let (name, value) = onlyField(of: reader, among: ResourceFields.clusterPolicySubject, field, &problems)
        else { return nil }
        return decodeClusterPods(name, value, &problems)
    }

    /// `namespaces`, a selector, or `pods`, two of them.
    private func decodeClusterPods(_ name: String, _ field: ConfigurationField, _ problems: inout DiagnosticList) -> EntityRule? {
        if name == "namespaces" {
            return decodeLabelSelector(field, &problems).map {
                EntityRule(selector: .kubernetesPods([]), namespaceSelector: .all(of: $0))
            }
        }
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.clusterPolicyPods), &problems) else {
            return nil
        }
        let namespaces = reader.required("namespaceSelector", &problems).flatMap { decodeLabelSelector($0, &problems) }
        let pods = reader.required("podSelector", &problems).flatMap { decodeLabelSelector($0, &problems) }
        guard let namespaces, let pods else { return nil }
        return EntityRule(selector: .kubernetesPods(pods), namespaceSelector: .all(of: namespaces))
    }

    private func decodeClusterRules(
        _ field: ConfigurationField?, _ direction: PolicyType, _ problems: inout DiagnosticList
    ) -> [PolicyRule] {
        guard let field, let elements = field.elements(&problems) else { return [] }
        if elements.count > Self.clusterItemsMax {
            field.error("has \(elements.count) rules, \(Self.clusterItemsMax) are allowed", hint: "write several policies", into: &problems)
        }
        return elements.flatMap { decodeClusterRule($0, direction, &problems) }
    }

    private func decodeClusterRule(
        _ field: ConfigurationField, _ direction: PolicyType, _ problems: inout DiagnosticList
    ) -> [PolicyRule] {
        let known = direction == .egress ? ResourceFields.clusterPolicyEgressRule : ResourceFields.clusterPolicyIngressRule
        let fields = MappingReader.Fields(known, misplaced: ["ports": "in v1alpha2 the field is \"protocols\""])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return [] }
        var annotations: [String: String] = [:]
        if let nameField = reader["name"], let name = nameField.string(&problems) {
            if name.unicodeScalars.count > Self.clusterRuleNameMax {
                nameField.error("is longer than \(Self.clusterRuleNameMax) characters", hint: "shorten it", into: &problems)
            }
            annotations["name"] = name
        }
        let action = reader.required("action", &problems)?.choice(ClusterAction.self, &problems)
        let groups = reader["protocols"].map { decodeClusterProtocols($0, &problems) } ?? KubernetesPortGroups()
        let namesPorts = groups.groups.contains { $0.ports.contains(where: \.isNamed) }
        guard let peersField = reader.required(direction == .egress ? "to" : "from", &problems) else { return [] }
        var rules: [PolicyRule] = []
        for element in clusterElements(peersField, &problems) {
            for entity in decodeClusterPeer(element, direction, action, namesPorts: namesPorts, &problems) {
                let rule = PolicyRule(
                    action: action?.action ?? .deny, source: direction == .egress ? .any : entity,
                    destination: direction == .egress ? entity : .any, annotations: annotations, location: element.location)
                rules += groups.applied(to: rule)
            }
        }
        return rules
    }

    /// Networks of two families become two entities: a rule speaks about one.
    private func decodeClusterPeer(
        _ field: ConfigurationField, _ direction: PolicyType, _ action: ClusterAction?, namesPorts: Bool, _ problems: inout DiagnosticList
    ) -> [EntityRule] {
        let known = direction == .egress ? ResourceFields.clusterPolicyEgressPeer : ResourceFields.clusterPolicyIngressPeer
        let fields = MappingReader.Fields(
            known, misplaced: ["domains": "here the field is \"domainNames\"", "ipBlock": "here the field is \"networks\""])
        guard let reader = MappingReader(field, fields: fields, &problems),
            let (name, value) = onlyField(of: reader, among: known, field, &problems)
        else { return [] }
        if namesPorts, name != "namespaces", name != "pods" {
            value.error(
                "has no named ports: destinationNamedPort goes with namespaces and pods", hint: "write the number of the port",
                into: &problems)
        }
        switch name {
        case "nodes":
            value.error(
                "nodes cannot be selected: Exeat knows neither their labels nor their addresses",
                hint: "list their addresses under networks", into: &problems)
            return []
        case "networks":
            let nets = clusterElements(value, &problems).compactMap { decodeCIDR($0, &problems) }
            return Self.byFamily(nets).map { EntityRule(nets: $0) }
        case "domainNames":
            if let action, action != .accept {
                value.error(
                    "names may stand only in an Accept rule, this one is \(action.rawValue)",
                    hint: "a Deny rule for networks behind it closes everything else", into: &problems)
            }
            let patterns = clusterElements(value, &problems).compactMap { decodeName($0, dialect: .kubernetes, &problems) }
            return patterns.isEmpty ? [] : [EntityRule(domains: patterns)]
        default:
            return decodeClusterPods(name, value, &problems).map { [$0] } ?? []
        }
    }

    /// Without repetition, IPv4 first; a family without prefixes is left out.
    static func byFamily(_ nets: [IPPrefix]) -> [[IPPrefix]] {
        [IPFamily.v4, .v6].map { family in nets.filter { $0.address.family == family } }.filter { !$0.isEmpty }
    }

    private func decodeClusterProtocols(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> KubernetesPortGroups {
        var groups = KubernetesPortGroups()
        for element in clusterElements(field, &problems) {
            let fields = MappingReader.Fields(
                ResourceFields.clusterPolicyProtocol,
                misplaced: [
                    "portNumber": "in v1alpha2 write \"tcp: {destinationPort: {number: 443}}\"",
                    "portRange": "in v1alpha2 write \"tcp: {destinationPort: {range: {start: 1, end: 2}}}\"",
                    "namedPort": "in v1alpha2 the field is \"destinationNamedPort\"",
                ])
            guard let reader = MappingReader(element, fields: fields, &problems),
                let (name, value) = onlyField(of: reader, among: ResourceFields.clusterPolicyProtocol, element, &problems)
            else { continue }
            switch name {
            case "destinationNamedPort":
                guard let text = value.string(&problems) else { continue }
                guard ResourceNameRule.isServiceName(text) else {
                    value.error(
                        "\"\(text)\" is no valid name of a port", hint: "at most 15 lower-case letters, digits and - (RFC 6335)",
                        into: &problems)
                    continue
                }
                // The port of the pod says the protocol.
                for found in KubernetesProtocol.allCases { groups.add(found.transport, .named(text)) }
            default:
                guard let transport = KubernetesProtocol(rawValue: name.uppercased())?.transport,
                    let port = decodeClusterPort(value, &problems)
                else { continue }
                groups.add(transport, port)
            }
        }
        return groups
    }

    private func decodeClusterPort(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> RulePort? {
        guard let outer = MappingReader(field, fields: MappingReader.Fields(ResourceFields.clusterPolicyPort), &problems),
            let portField = outer.required("destinationPort", &problems),
            let reader = MappingReader(portField, fields: MappingReader.Fields(ResourceFields.clusterPolicyPortNumber), &problems),
            let (name, value) = onlyField(of: reader, among: ResourceFields.clusterPolicyPortNumber, portField, &problems)
        else { return nil }
        if name == "number" { return decodePortNumber(value, &problems).map { .range(PortRange($0)) } }
        guard let range = MappingReader(value, fields: MappingReader.Fields(ResourceFields.clusterPolicyPortRange), &problems) else {
            return nil
        }
        let start = range.required("start", &problems).flatMap { decodePortNumber($0, &problems) }
        let end = range.required("end", &problems).flatMap { decodePortNumber($0, &problems) }
        guard let start, let end else { return nil }
        guard start < end, let ports = PortRange(start, end) else {
            value.error("start must be less than end", hint: start == end ? "write \"number: \(start)\"" : "swap the two", into: &problems)
            return nil
        }
        return .range(ports)
    }
}
