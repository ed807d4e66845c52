extension ResourceDecoder {
    private enum LabelOperator: String, CaseIterable {
        case isIn = "In"
        case isNotIn = "NotIn"
        case exists = "Exists"
        case doesNotExist = "DoesNotExist"
    }

    /// What gives the label of the model for a key as the file writes it; nil, with an error, if there is none.
    typealias LabelKey = (_ key: String, _ field: ConfigurationField, _ problems: inout DiagnosticList) -> String?

    /// A label selector of Kubernetes as a conjunction, in the order of labels and then of expressions; nothing stands for everything.
    /// Nil after an error.
    ///
    /// `NotIn` holds for an absent label, as `not in` does (kubernetes.io, "Labels and Selectors").
    func decodeLabelSelector(
        _ field: ConfigurationField, _ problems: inout DiagnosticList, key: LabelKey = ResourceDecoder.plainLabelKey
    ) -> [Selector.Expression]? {
        let errorsBefore = problems.errorCount
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.labelSelector), &problems) else { return nil }
        var parts: [Selector.Expression] = []
        var labels: [(label: String, value: String)] = []
        for entry in reader["matchLabels"]?.entries(&problems) ?? [] {
            guard let label = key(entry.key, entry.field, &problems), let value = decodeLabelValue(entry.field, &problems) else { continue }
            labels.append((label, value))
        }
        parts += labels.sorted { $0.label < $1.label }.map { .equal($0.label, $0.value) }
        for element in reader["matchExpressions"]?.elements(&problems) ?? [] {
            if let expression = decodeLabelExpression(element, key, &problems) { parts.append(expression) }
        }
        return problems.errorCount == errorsBefore ? parts : nil
    }

    /// The key itself, if it is one.
    static func plainLabelKey(_ key: String, _ field: ConfigurationField, _ problems: inout DiagnosticList) -> String? {
        guard ResourceNameRule.isQualifiedName(key) else {
            field.error(
                "\"\(key)\" is no valid label name", hint: "an optional DNS name and /, then at most 63 letters, digits, -, _ and .",
                into: &problems)
            return nil
        }
        return key
    }

    private func decodeLabelValue(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> String? {
        guard let value = field.string(&problems) else { return nil }
        guard ResourceNameRule.isLabelValue(value) else {
            field.error(
                "\"\(value)\" is no valid label value", hint: "at most 63 letters, digits, -, _ and ., a letter or digit at both ends",
                into: &problems)
            return nil
        }
        return value
    }

    private func decodeLabelExpression(
        _ field: ConfigurationField, _ key: LabelKey, _ problems: inout DiagnosticList
    ) -> Selector.Expression? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.labelExpression), &problems) else { return nil }
        let keyField = reader.required("key", &problems)
        let operatorField = reader.required("operator", &problems)
        guard let keyField, let text = keyField.string(&problems), let label = key(text, keyField, &problems),
            let kind = operatorField?.choice(LabelOperator.self, &problems)
        else { return nil }
        let values = (reader["values"]?.elements(&problems) ?? []).compactMap { decodeLabelValue($0, &problems) }
        switch kind {
        case .isIn, .isNotIn:
            guard !values.isEmpty else {
                (reader["values"] ?? field).error("\(kind.rawValue) needs values", hint: "add \"values\", or use Exists", into: &problems)
                return nil
            }
            let sorted = Array(Set(values)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            return kind == .isIn ? .isIn(label, sorted) : .isNotIn(label, sorted)
        case .exists, .doesNotExist:
            guard values.isEmpty else {
                reader["values"]?.error("\(kind.rawValue) takes no values", hint: "remove them, or use In", into: &problems)
                return nil
            }
            return kind == .exists ? .has(label) : .not(.has(label))
        }
    }
}

extension Selector {
    /// All of `parts`; `all()` if there is none.
    static func all(of parts: [Expression]) -> Selector { conjunction(parts.map { Selector(root: $0) }) }

    /// What Calico makes of a Kubernetes selector over pods: network sets and host endpoints are no pods.
    static func kubernetesPods(_ parts: [Expression]) -> Selector { all(of: [.equal(ReservedLabel.orchestrator, "k8s")] + parts) }
}
