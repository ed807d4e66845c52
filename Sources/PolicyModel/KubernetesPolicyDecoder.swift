import NetworkTypes

/// `networking.k8s.io/v1` NetworkPolicy, and Calico's StagedKubernetesNetworkPolicy, whose `spec` is the same.
///
/// Sources: kubernetes.io, "Network Policies" and the API reference of NetworkPolicySpec; docs.tigera.io, "Kubernetes policy".
extension ResourceDecoder {
    /// Calico's: behind every policy with a lower order, before those without.
    static let kubernetesPolicyOrder = 1000.0
    /// How Calico names the policy that it makes of one.
    static let kubernetesPolicyPrefix = "knp.default."

    mutating func decodeKubernetesPolicy(
        _ metadata: Metadata, spec: ConfigurationField?, kind: ResourceKind, _ document: ConfigurationField,
        _ problems: inout DiagnosticList
    ) -> [NetworkPolicy] {
        let isStaged = kind == .stagedKubernetesNetworkPolicy
        refuseDenyDomains(metadata, kind, document, &problems)
        var policy = NetworkPolicy(
            name: Self.kubernetesPolicyPrefix + metadata.name, kind: kind, namespace: metadata.namespace, order: Self.kubernetesPolicyOrder,
            selector: .kubernetesPods([]), types: [.ingress], annotations: metadata.annotations, stagedAction: isStaged ? .set : nil,
            isExclusive: metadata.isExclusive, nameVerification: metadata.nameVerification, namePorts: metadata.namePorts,
            queryPolicy: metadata.queryPolicy,
            location: document.location)
        guard let spec else {
            problems.error(at: document.location, field: "spec", "is required", hint: "add it")
            return []
        }
        let fields = MappingReader.Fields(
            ResourceFields.kubernetesNetworkPolicy + (isStaged ? ResourceFields.staged : []),
            misplaced: [
                "selector": "that is Calico's form; the field is \"podSelector\"",
                "types": "that is Calico's form; the field is \"policyTypes\"",
                "stagedAction": "only a staged policy has it: kind StagedKubernetesNetworkPolicy",
                "endpointSelector": "that is Cilium's form; the field is \"podSelector\"",
            ])
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return [] }
        if isStaged { policy.stagedAction = decodeStagedAction(reader, kept: [], &problems) }
        if policy.stagedAction != .delete {
            decodeSubject(reader, into: &policy, &problems)
            policy.ingress = decodeKubernetesRules(reader["ingress"], .ingress, &problems)
            policy.egress = decodeKubernetesRules(reader["egress"], .egress, &problems)
            decodePolicyTypes(reader, into: &policy, &problems)
        }
        if isStaged { references.staged.append(.init(policy: policy, field: metadata.nameField)) }
        return [policy]
    }

    private func decodeSubject(_ reader: MappingReader, into policy: inout NetworkPolicy, _ problems: inout DiagnosticList) {
        guard let field = reader["podSelector"] else {
            problems.warning(
                at: reader.location, field: ConfigurationField.path(of: "podSelector", in: reader.path),
                "is missing: every pod of the namespace is selected", hint: "write \"podSelector: {}\" if that is meant")
            return
        }
        if let parts = decodeLabelSelector(field, &problems) { policy.selector = .kubernetesPods(parts) }
    }

    /// Without `policyTypes`: Ingress, and Egress if there is a rule for it.
    private func decodePolicyTypes(_ reader: MappingReader, into policy: inout NetworkPolicy, _ problems: inout DiagnosticList) {
        let errorsBefore = problems.errorCount
        let named = (reader["policyTypes"]?.elements(&problems) ?? []).compactMap { $0.choice(PolicyType.self, &problems) }
        guard problems.errorCount == errorsBefore else { return }
        if named.isEmpty {
            policy.types = policy.egress.isEmpty ? [.ingress] : [.ingress, .egress]
            if let egress = reader["egress"], policy.egress.isEmpty {
                problems.warning(
                    at: egress.location, field: egress.path, "an empty list without policyTypes leaves egress open",
                    hint: "add \"policyTypes: [Egress]\" to deny all egress")
            }
        } else {
            policy.types = Set(named)
            if let egress = reader["egress"], !policy.types.contains(.egress) {
                problems.warning(
                    at: egress.location, field: egress.path, "the egress rules have no effect", hint: "add Egress to policyTypes")
            }
        }
        if policy.types.contains(.ingress) {
            let place = reader["ingress"] ?? reader["policyTypes"]
            problems.warning(
                at: place?.location ?? reader.location, field: place?.path ?? ConfigurationField.path(of: "policyTypes", in: reader.path),
                "Exeat enforces egress only: for ingress the policy is checked, not enforced")
        }
    }

    /// Each peer with each protocol becomes a rule of its own.
    private func decodeKubernetesRules(
        _ field: ConfigurationField?, _ direction: PolicyType, _ problems: inout DiagnosticList
    ) -> [PolicyRule] {
        let fields = MappingReader.Fields(
            direction == .egress ? ResourceFields.kubernetesEgressRule : ResourceFields.kubernetesIngressRule,
            misplaced: [
                "action": "a Kubernetes NetworkPolicy only allows", "from": "belongs to ingress; here the field is \"to\"",
                "to": "belongs to egress; here the field is \"from\"",
            ])
        var rules: [PolicyRule] = []
        for element in field?.elements(&problems) ?? [] {
            guard let reader = MappingReader(element, fields: fields, &problems) else { continue }
            let groups = decodeKubernetesPorts(reader["ports"], &problems)
            for peer in decodeKubernetesPeers(reader[direction == .egress ? "to" : "from"], &problems) {
                let rule = PolicyRule(
                    action: .allow, source: direction == .egress ? .any : peer.entity,
                    destination: direction == .egress ? peer.entity : .any,
                    location: peer.location ?? element.location)
                rules += groups.applied(to: rule)
            }
        }
        return rules
    }

    /// The annotation on a kind whose Deny rules, if it has any, name no domains.
    func refuseDenyDomains(
        _ metadata: Metadata, _ kind: ResourceKind, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) {
        guard metadata.deniesByName else { return }
        let node = document.node.first("metadata")?.first("annotations")?.first(Self.denyDomainsAnnotation)
        let path = ConfigurationField.path(of: Self.denyDomainsAnnotation, in: join(document.path, "metadata.annotations"))
        problems.error(
            at: node?.location ?? document.location, field: path, "has no meaning on a \(kind.name) of this API: its rules deny no names",
            hint: "use a policy of projectcalico.org/v3")
    }
}
