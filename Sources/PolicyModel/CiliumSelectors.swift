extension ResourceDecoder {
    /// Where Cilium keeps what Calico keeps under labels of its own.
    private static let ciliumNamespaceLabel = "io.kubernetes.pod.namespace"
    private static let ciliumNamespaceLabelPrefix = "io.cilium.k8s.namespace.labels."
    private static let ciliumServiceAccountLabel = "io.cilium.k8s.policy.serviceaccount"
    private static let ciliumClusterLabel = "io.cilium.k8s.policy.cluster"

    /// Every pod of the model: sets and host endpoints do not have this label.
    static let anyPod = Selector.Expression.has(ReservedLabel.orchestrator)

    /// The pods that the policy is for: those of its own namespace, or of any.
    func decodeCiliumSubject(_ reader: MappingReader, _ scope: CiliumScope, _ problems: inout DiagnosticList) -> Selector? {
        guard let field = reader["endpointSelector"] else {
            if reader["nodeSelector"] == nil {
                problems.error(
                    at: reader.location, field: ConfigurationField.path(of: "endpointSelector", in: reader.path), "is required",
                    hint: "\"endpointSelector: {}\" selects every pod")
            }
            return nil
        }
        guard let parts = decodeLabelSelector(field, &problems, key: Self.ciliumLabelKey) else { return nil }
        guard let namespace = scope.namespace else { return .all(of: [Self.anyPod] + parts) }
        for case .equal(ReservedLabel.namespace, let other) in parts where other != namespace {
            field.error(
                "a CiliumNetworkPolicy is for pods of its own namespace \"\(namespace)\", not of \"\(other)\"",
                hint: "put it into that namespace, or use a CiliumClusterwideNetworkPolicy", into: &problems)
        }
        return .all(of: [Self.anyPod, .equal(ReservedLabel.namespace, namespace)] + parts)
    }

    /// `toEndpoints` and `fromEndpoints`: an element that says nothing of namespaces means the policy's own, or any if it has none.
    func decodeCiliumPeers(_ elements: [ConfigurationField], _ scope: CiliumScope, _ problems: inout DiagnosticList) -> [EntityRule] {
        elements.compactMap { element in
            guard let parts = decodeLabelSelector(element, &problems, key: Self.ciliumLabelKey) else { return nil }
            var all = [Self.anyPod]
            let labels = parts.compactMap(\.ciliumLabel)
            if !labels.contains(ReservedLabel.namespace) {
                if let namespace = scope.namespace {
                    if !labels.contains(where: { $0.hasPrefix(ReservedLabel.namespacePrefix) }) {
                        all.append(.equal(ReservedLabel.namespace, namespace))
                    }
                } else {
                    all.append(.has(ReservedLabel.namespace))
                }
            }
            return EntityRule(selector: .all(of: all + parts))
        }
    }

    /// `source:name`, the source `k8s`, `any` or none; some names have another place in the model.
    static func ciliumLabelKey(_ key: String, _ field: ConfigurationField, _ problems: inout DiagnosticList) -> String? {
        var name = key
        if let colon = key.firstIndex(of: ":") {
            let source = key[..<colon]
            name = String(key[key.index(after: colon)...])
            guard source == "k8s" || source == "any" else {
                field.error(
                    "labels of the source \"\(source)\" are not known here",
                    hint: source == "reserved"
                        ? "of the entities, \"all\" and \"world\" are read" : "labels of Kubernetes begin with k8s: or any:",
                    into: &problems)
                return nil
            }
        }
        switch name {
        case ciliumNamespaceLabel: return ReservedLabel.namespace
        case ciliumServiceAccountLabel: return ReservedLabel.serviceAccount
        case ciliumClusterLabel:
            field.error("other clusters are not known here", hint: "remove the label: pods are those of this cluster", into: &problems)
            return nil
        default: break
        }
        if name.hasPrefix(ciliumNamespaceLabelPrefix) {
            let label = String(name.dropFirst(ciliumNamespaceLabelPrefix.count))
            return plainLabelKey(label, field, &problems).map { ReservedLabel.namespacePrefix + $0 }
        }
        return plainLabelKey(name, field, &problems)
    }
}

extension Selector.Expression {
    /// The label that one term of a Kubernetes selector is about.
    fileprivate var ciliumLabel: String? {
        switch self {
        case .equal(let label, _), .isIn(let label, _), .isNotIn(let label, _), .has(let label): label
        case .not(let inner): inner.ciliumLabel
        default: nil
        }
    }
}
