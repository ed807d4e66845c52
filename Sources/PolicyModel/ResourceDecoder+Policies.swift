import NetworkTypes

extension ResourceDecoder {
    private static let policyFields = ["tier", "order", "ingress", "egress", "selector", "types", "performanceHints"]

    private enum PerformanceHint: String, CaseIterable {
        case assumeNeededOnEveryNode = "AssumeNeededOnEveryNode"
    }

    private static let misplacedPolicyFields = [
        "podSelector": "that is the Kubernetes form; Calico's field is \"selector\"",
        "policyTypes": "that is the Kubernetes form; Calico's field is \"types\"",
        "endpointSelector": "that is Cilium's form; Calico's field is \"selector\"",
    ]

    mutating func decodePolicy(
        _ metadata: Metadata, spec: ConfigurationField?, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> NetworkPolicy? {
        let isNamespaced = metadata.namespace != nil
        if !ResourceNameRule.isPolicyName(metadata.name, isNamespaced: isNamespaced) {
            metadata.nameField.error(
                "\"\(metadata.name)\" is no valid policy name", hint: "one DNS label, or tier.label", into: &problems)
        }
        var policy = NetworkPolicy(
            name: metadata.name, namespace: metadata.namespace, annotations: metadata.annotations, location: document.location)
        if let spec {
            var fields = MappingReader.Fields(
                Self.policyFields + (isNamespaced ? [] : ["namespaceSelector"]),
                unsupported: ["serviceAccountSelector"] + (isNamespaced ? [] : ["doNotTrack", "preDNAT", "applyOnForward"]),
                misplaced: Self.misplacedPolicyFields)
            if isNamespaced {
                fields = MappingReader.Fields(
                    fields.known, unsupported: fields.unsupported,
                    misplaced: Self.misplacedPolicyFields.merging(["namespaceSelector": "only a GlobalNetworkPolicy has it"]) { $1 })
            }
            guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
            decodeScope(reader, into: &policy, &problems)
            policy.ingress = reader["ingress"].map { decodeRules($0, .ingress, &problems) } ?? []
            policy.egress = reader["egress"].map { decodeRules($0, .egress, &problems) } ?? []
            decodeTypes(reader, into: &policy, &problems)
        }
        checkTierPrefix(of: policy, metadata, &problems)
        warnOfIdleRules(in: policy, metadata, &problems)
        return policy
    }

    private mutating func decodeScope(_ reader: MappingReader, into policy: inout NetworkPolicy, _ problems: inout DiagnosticList) {
        if let field = reader["tier"], let tier = field.string(&problems) {
            policy.tier = tier
            references.namedTiers.append((tier, field))
        }
        policy.order = reader["order"]?.number(&problems)
        if let field = reader["selector"], let selector = decodeSelector(field, &problems) {
            policy.selector = selector
            refuseGlobal(selector, field, &problems)
        }
        if let field = reader["namespaceSelector"], let selector = decodeSelector(field, &problems) {
            policy.namespaceSelector = selector
            refuseGlobal(selector, field, &problems)
        }
        // A hint to Calico where to compute the policy; on one node it means nothing.
        if let field = reader["performanceHints"], let elements = field.elements(&problems) {
            var seen: Set<PerformanceHint> = []
            for element in elements {
                guard let hint = element.choice(PerformanceHint.self, &problems) else { continue }
                if !seen.insert(hint).inserted { element.error("\(hint.rawValue) is here twice", into: &problems) }
            }
        }
    }

    private func refuseGlobal(_ selector: Selector, _ field: ConfigurationField, _ problems: inout DiagnosticList) {
        if selector.mentionsGlobal {
            field.error("global() may stand only in the namespaceSelector of a rule", into: &problems)
        }
    }

    private func decodeTypes(_ reader: MappingReader, into policy: inout NetworkPolicy, _ problems: inout DiagnosticList) {
        var types: Set<PolicyType> = []
        for element in reader["types"]?.elements(&problems) ?? [] {
            guard let type = element.choice(PolicyType.self, &problems) else { continue }
            if !types.insert(type).inserted { element.error("\(type.rawValue) is here twice", into: &problems) }
        }
        policy.types =
            types.isEmpty
            ? NetworkPolicy.defaultTypes(hasIngressRules: !policy.ingress.isEmpty, hasEgressRules: !policy.egress.isEmpty) : types
    }

    /// `tier.name` under another tier is most likely a forgotten `spec.tier`.
    private func checkTierPrefix(of policy: NetworkPolicy, _ metadata: Metadata, _ problems: inout DiagnosticList) {
        let parts = policy.name.split(separator: ".")
        guard parts.count == 2, parts[0] != policy.tier else { return }
        problems.warning(
            at: metadata.nameField.location, field: metadata.nameField.path,
            "the name begins with the tier \"\(parts[0])\", but the policy is in the tier \"\(policy.tier)\"")
    }

    private func warnOfIdleRules(in policy: NetworkPolicy, _ metadata: Metadata, _ problems: inout DiagnosticList) {
        if !policy.egress.isEmpty, !policy.types.contains(.egress) {
            problems.warning(
                at: policy.egress.first?.location, field: "spec.egress", "the egress rules have no effect",
                hint: "add Egress to types")
        }
        if policy.types.contains(.ingress) {
            problems.warning(
                at: policy.ingress.first?.location ?? metadata.nameField.location,
                field: policy.ingress.isEmpty ? "spec.types" : "spec.ingress",
                "Exeat enforces egress only: for ingress the policy is checked, not enforced")
        }
    }

    func decodeSelector(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Selector? {
        guard let text = field.string(&problems) else { return nil }
        do throws(SelectorError) {
            return try Selector(parsing: text)
        } catch {
            field.error("bad selector: \(error)", into: &problems)
            return nil
        }
    }
}
