extension ResourceDecoder {
    struct Metadata {
        var name: String
        var nameField: ConfigurationField
        var namespace: String?
        var uid: String?
        var labels: [String: String]
        var annotations: [String: String]
    }

    /// `metadata` fields that an API server fills in.
    private static let serverFields = [
        "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generation", "managedFields",
        "ownerReferences", "resourceVersion", "selfLink",
    ]

    /// Our own annotations that later versions read.
    private static let laterAnnotations = ["exeat.io/verify-name", "exeat.io/exclusive", "exeat.io/deny-domains"]
    private static let annotationPrefix = "exeat.io/"

    /// Nil if there is no usable name. A missing namespace of a namespaced kind is `default`, as for calicoctl.
    func decodeMetadata(_ field: ConfigurationField, isNamespaced: Bool, _ problems: inout DiagnosticList) -> Metadata? {
        let fields = MappingReader.Fields(
            ["name", "namespace", "labels", "annotations", "uid"], unsupported: ["generateName"], ignored: Self.serverFields)
        guard let reader = MappingReader(field, fields: fields, &problems) else { return nil }
        let labels = reader["labels"].map { decodeLabels($0, &problems) } ?? [:]
        let annotations = reader["annotations"].map { decodeAnnotations($0, &problems) } ?? [:]
        let uid = reader["uid"]?.string(&problems)
        let namespace = decodeNamespace(reader, isNamespaced: isNamespaced, &problems)
        guard let nameField = reader.required("name", &problems), let name = nameField.string(&problems) else { return nil }
        guard ResourceNameRule.isSubdomain(name) else {
            nameField.error(
                "\"\(name)\" is no valid name", hint: "lower-case letters, digits, - and . (RFC 1123), at most 253 characters",
                into: &problems)
            return nil
        }
        return Metadata(
            name: name, nameField: nameField, namespace: namespace, uid: uid, labels: labels, annotations: annotations)
    }

    private func decodeNamespace(_ reader: MappingReader, isNamespaced: Bool, _ problems: inout DiagnosticList) -> String? {
        guard let field = reader["namespace"] else {
            if isNamespaced {
                problems.warning(
                    at: reader.location, field: join(reader.path, "namespace"), "is missing, \"default\" is taken",
                    hint: "name it")
            }
            return isNamespaced ? "default" : nil
        }
        guard let text = field.string(&problems) else { return nil }
        guard isNamespaced else {
            field.error("this kind has no namespace", hint: "use the kind without \"Global\", or remove the field", into: &problems)
            return nil
        }
        guard ResourceNameRule.isLabel(text) else {
            field.error(
                "\"\(text)\" is no valid namespace", hint: "lower-case letters, digits and -, at most 63 characters",
                into: &problems)
            return nil
        }
        return text
    }

    private func decodeLabels(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [String: String] {
        decodeTexts(field, noun: "label", foldsPrefixCase: false, &problems) { key, value, entry, problems in
            if !ResourceNameRule.isLabelValue(value) {
                entry.error(
                    "\"\(value)\" is no valid label value",
                    hint: "at most 63 letters, digits, -, _ and ., a letter or digit at both ends", into: &problems)
            }
        }
    }

    func decodeAnnotations(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [String: String] {
        decodeTexts(field, noun: "annotation", foldsPrefixCase: true, &problems) { key, _, entry, problems in
            guard key.lowercased().hasPrefix(Self.annotationPrefix) else { return }
            if Self.laterAnnotations.contains(key) {
                entry.error("not supported yet", into: &problems)
            } else {
                entry.error(
                    "unknown annotation \"\(key)\"", hint: NameSuggestion.hint(for: key, among: Self.laterAnnotations),
                    into: &problems)
            }
        }
    }

    private func decodeTexts(
        _ field: ConfigurationField, noun: String, foldsPrefixCase: Bool, _ problems: inout DiagnosticList,
        check: (_ key: String, _ value: String, _ entry: ConfigurationField, _ problems: inout DiagnosticList) -> Void
    ) -> [String: String] {
        var result: [String: String] = [:]
        for (key, keyLocation, entry) in field.entries(&problems) ?? [] {
            guard ResourceNameRule.isQualifiedName(key, foldsPrefixCase: foldsPrefixCase) else {
                problems.error(
                    at: keyLocation, field: entry.path, "\"\(key)\" is no valid \(noun) name",
                    hint: "an optional DNS name and /, then at most 63 letters, digits, -, _ and .")
                continue
            }
            guard let value = entry.string(&problems) else { continue }
            check(key, value, entry, &problems)
            result[key] = value
        }
        return result
    }
}
