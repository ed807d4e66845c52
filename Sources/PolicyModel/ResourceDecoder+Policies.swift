import NetworkTypes

extension ResourceDecoder {
    private enum PerformanceHint: String, CaseIterable {
        case assumeNeededOnEveryNode = "AssumeNeededOnEveryNode"
    }

    private static let misplacedPolicyFields = [
        "podSelector": "that is the Kubernetes form; Calico's field is \"selector\"",
        "policyTypes": "that is the Kubernetes form; Calico's field is \"types\"",
        "endpointSelector": "that is Cilium's form; Calico's field is \"selector\"",
    ]

    /// Also for staged policies, of either scope.
    mutating func decodePolicy(
        _ metadata: Metadata, spec: ConfigurationField?, kind: ResourceKind, _ document: ConfigurationField,
        _ problems: inout DiagnosticList
    ) -> NetworkPolicy? {
        let isStaged = kind == .stagedNetworkPolicy || kind == .stagedGlobalNetworkPolicy
        if !ResourceNameRule.isPolicyName(metadata.name, isNamespaced: kind.isNamespaced) {
            metadata.nameField.error(
                "\"\(metadata.name)\" is no valid policy name", hint: "one DNS label, or tier.label", into: &problems)
        }
        var policy = NetworkPolicy(
            name: metadata.name, kind: kind, namespace: metadata.namespace, annotations: metadata.annotations,
            stagedAction: isStaged ? .set : nil, isExclusive: metadata.isExclusive, deniesByName: metadata.deniesByName,
            nameVerification: metadata.nameVerification, namePorts: metadata.namePorts, queryPolicy: metadata.queryPolicy,
            location: document.location)
        if let spec {
            let fields = Self.policyFields[kind] ?? Self.makePolicyFields(of: kind)
            guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
            if isStaged { policy.stagedAction = decodeStagedAction(reader, kept: ["tier"], &problems) }
            decodeScope(reader, into: &policy, &problems)
            let context = RuleContext(metadata, kind)
            policy.ingress = reader["ingress"].map { decodeRules($0, .ingress, context, &problems) } ?? []
            policy.egress = reader["egress"].map { decodeRules($0, .egress, context, &problems) } ?? []
            decodeTypes(reader, into: &policy, &problems)
            decodeHostOptions(reader, into: &policy, &problems)
        }
        if policy.stagedAction != .delete {
            checkTierPrefix(of: policy, metadata, &problems)
            warnOfIdleRules(in: policy, metadata, &problems)
        }
        if isStaged { references.staged.append(.init(policy: policy, field: metadata.nameField)) }
        return policy
    }

    private static let policyFields = Dictionary(
        uniqueKeysWithValues: [ResourceKind.networkPolicy, .globalNetworkPolicy, .stagedNetworkPolicy, .stagedGlobalNetworkPolicy].map {
            ($0, makePolicyFields(of: $0))
        })

    private static func makePolicyFields(of kind: ResourceKind) -> MappingReader.Fields {
        var known = ResourceFields.networkPolicy
        var misplaced = misplacedPolicyFields
        if kind.isNamespaced {
            for name in ResourceFields.globalNetworkPolicy { misplaced[name] = "only a GlobalNetworkPolicy has it" }
        } else {
            known += ResourceFields.globalNetworkPolicy
        }
        if kind == .stagedNetworkPolicy || kind == .stagedGlobalNetworkPolicy {
            known += ResourceFields.staged
        } else {
            misplaced["stagedAction"] = "only a staged policy has it: kind Staged\(kind.name)"
        }
        return MappingReader.Fields(known, misplaced: misplaced)
    }

    /// `stagedAction`, by default Set. A deletion says what to delete and nothing more: no field but those in `kept`.
    func decodeStagedAction(
        _ reader: MappingReader, kept: [String], _ problems: inout DiagnosticList
    ) -> NetworkPolicy.StagedAction {
        let action = reader["stagedAction"]?.choice(NetworkPolicy.StagedAction.self, &problems) ?? .set
        if action == .delete {
            for (name, field) in reader.fields where name != "stagedAction" && !kept.contains(name) {
                field.error("has no place beside stagedAction: Delete", hint: "remove the field", into: &problems)
            }
        }
        return action
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
        policy.namespaceSelector = reader["namespaceSelector"].flatMap { decodeScopeSelector($0, &problems) }
        policy.serviceAccountSelector = reader["serviceAccountSelector"].flatMap { decodeScopeSelector($0, &problems) }
        // A hint to Calico where to compute the policy; on one node it means nothing.
        if let field = reader["performanceHints"], let elements = field.elements(&problems) {
            var seen: Set<PerformanceHint> = []
            for element in elements {
                guard let hint = element.choice(PerformanceHint.self, &problems) else { continue }
                if !seen.insert(hint).inserted { element.error("\(hint.rawValue) is here twice", hint: "remove one", into: &problems) }
            }
        }
    }

    /// An empty text counts as absent, as in Calico, where `all()` asks for a namespace or service account at least.
    private func decodeScopeSelector(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Selector? {
        if case .scalar("", _) = field.node.kind { return nil }
        guard let selector = decodeSelector(field, &problems) else { return nil }
        refuseGlobal(selector, field, &problems)
        return selector
    }

    func refuseGlobal(_ selector: Selector, _ field: ConfigurationField, _ problems: inout DiagnosticList) {
        if selector.mentionsGlobal {
            field.error(
                "global() may stand only in the namespaceSelector of a rule", hint: "all() selects everything", into: &problems)
        }
    }

    private func decodeTypes(_ reader: MappingReader, into policy: inout NetworkPolicy, _ problems: inout DiagnosticList) {
        var types: Set<PolicyType> = []
        for element in reader["types"]?.elements(&problems) ?? [] {
            guard let type = element.choice(PolicyType.self, &problems) else { continue }
            if !types.insert(type).inserted { element.error("\(type.rawValue) is here twice", hint: "remove one", into: &problems) }
        }
        policy.types =
            types.isEmpty
            ? NetworkPolicy.defaultTypes(hasIngressRules: !policy.ingress.isEmpty, hasEgressRules: !policy.egress.isEmpty) : types
    }

    /// `doNotTrack`, `preDNAT` and `applyOnForward` of a GlobalNetworkPolicy, which bear on host endpoints.
    private func decodeHostOptions(_ reader: MappingReader, into policy: inout NetworkPolicy, _ problems: inout DiagnosticList) {
        policy.appliesOnForward = reader["applyOnForward"]?.boolean(&problems) ?? false
        let doNotTrack = reader["doNotTrack"]?.boolean(&problems) ?? false
        let preDNAT = reader["preDNAT"]?.boolean(&problems) ?? false
        if doNotTrack, preDNAT { reader["preDNAT"]?.error("cannot stand beside doNotTrack", hint: "write two policies", into: &problems) }
        for (name, isSet) in [("doNotTrack", doNotTrack), ("preDNAT", preDNAT)] where isSet && !policy.appliesOnForward {
            reader[name]?.error("needs applyOnForward: true", hint: "add it", into: &problems)
        }
        guard !policy.egress.isEmpty || policy.types.contains(.egress) else { return }
        if preDNAT {
            (reader["egress"] ?? reader["types"] ?? reader["preDNAT"])?.error(
                "a policy with preDNAT is for ingress alone", hint: "remove the egress rules and Egress from types", into: &problems)
        }
        if doNotTrack {
            reader["doNotTrack"]?.error(
                "Exeat decides tracked flows: it cannot honour untracked egress rules", hint: "remove doNotTrack, or Egress from types",
                into: &problems)
        }
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
            field.error("bad selector: \(error)", hint: "like app == 'shop' && has(tier)", into: &problems)
            return nil
        }
    }
}
