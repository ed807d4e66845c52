extension ResourceDecoder {
    struct Metadata {
        var name: String
        var nameField: ConfigurationField
        /// Nil for a kind without namespaces.
        var namespace: String?
        var uid: String?
        var labels: [String: String]
        var annotations: [String: String]
        /// Annotation `exeat.io/exclusive`, of policies and sets.
        var isExclusive = false
        /// Annotation `exeat.io/deny-domains`, of policies.
        var deniesByName = false
        /// Annotations `exeat.io/verify-name` and `exeat.io/verify-name-ports`, of policies.
        var nameVerification: NameVerification?
        var namePorts: [NamePort]?
        /// Annotation `exeat.io/query-policy`, of policies.
        var queryPolicy: QueryPolicy?
        /// Annotation `exeat.io/uid`, of host endpoints.
        var processes: ProcessClass?
    }

    /// `metadata` fields that an API server fills in.
    private static let serverFields = [
        "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generation", "managedFields",
        "ownerReferences", "resourceVersion", "selfLink", "generateName",
    ]

    static let annotationPrefix = "exeat.io/"
    static let exclusiveAnnotation = "exeat.io/exclusive"
    static let denyDomainsAnnotation = "exeat.io/deny-domains"
    static let verifyNameAnnotation = "exeat.io/verify-name"
    static let verifyNamePortsAnnotation = "exeat.io/verify-name-ports"
    static let queryPolicyAnnotation = "exeat.io/query-policy"
    private static let namePortsMax = 32
    /// Where older versions of Calico keep what Kubernetes has no field for.
    private static let internalMetadataAnnotation = "projectcalico.org/metadata"

    /// Nil if there is no usable name. A missing namespace of a namespaced kind is `default`, as for calicoctl.
    func decodeMetadata(_ field: ConfigurationField, kind: ResourceKind, _ problems: inout DiagnosticList) -> Metadata? {
        let fields = MappingReader.Fields(ResourceFields.metadata, ignored: Self.serverFields)
        guard let reader = MappingReader(field, fields: fields, &problems) else { return nil }
        let labels = reader["labels"].map { decodeLabels($0, &problems) } ?? [:]
        if kind.isNetworkSet, let node = reader["labels"]?.node.first(ReservedLabel.namespace) {
            ConfigurationField(node, path: ConfigurationField.path(of: ReservedLabel.namespace, in: join(field.path, "labels"))).error(
                "a set cannot have this label", hint: "Calico gives it by itself, to what lives in a namespace", into: &problems)
        }
        if kind.isNetworkSet || kind == .workloadEndpoint || kind == .hostEndpoint, let labelField = reader["labels"] {
            warnOfInheritedLabels(labels, labelField, &problems)
        }
        var annotations: [String: String] = [:]
        var own = OwnAnnotations()
        if let annotationField = reader["annotations"] {
            annotations = decodeAnnotations(annotationField, &problems) { key, value, entry, problems in
                decodeOwnAnnotation(key, value, kind, entry, into: &own, &problems)
            }
        }
        let uid = reader["uid"]?.string(&problems)
        let namespace = decodeNamespace(reader, kind, &problems)
        guard let nameField = reader.required("name", &problems), let name = nameField.string(&problems) else { return nil }
        guard ResourceNameRule.isSubdomain(name) else {
            nameField.error(
                "\"\(name)\" is no valid name", hint: "lower-case letters, digits, - and . (RFC 1123), at most 253 characters",
                into: &problems)
            return nil
        }
        if kind == .namespace, !ResourceNameRule.isLabel(name) {
            nameField.error(
                "\"\(name)\" is no valid namespace", hint: "lower-case letters, digits and -, at most 63 characters", into: &problems)
        }
        return Metadata(
            name: name, nameField: nameField, namespace: namespace, uid: uid, labels: labels, annotations: annotations,
            isExclusive: own.isExclusive, deniesByName: own.deniesByName, nameVerification: own.nameVerification,
            namePorts: own.namePorts, queryPolicy: own.queryPolicy, processes: own.processes)
    }

    /// A label that would pass for one of the namespace or the service account.
    private func warnOfInheritedLabels(_ labels: [String: String], _ field: ConfigurationField, _ problems: inout DiagnosticList) {
        for label in labels.keys.sorted() where ReservedLabel.isInherited(label) {
            problems.warning(
                at: field.node.first(label)?.location ?? field.location, field: ConfigurationField.path(of: label, in: field.path),
                "has no effect", hint: "selectors see under this prefix what the namespace or the service account has")
        }
    }

    /// `crd.projectcalico.org/v1`: the name of a policy in the tier `default` begins with `default.` there. Labels that an older Calico
    /// keeps inside an annotation are not looked for: without them a selector would select something else.
    func readInternalForm(
        of kind: ResourceKind, spec: ConfigurationField?, into metadata: inout Metadata, _ field: ConfigurationField,
        _ problems: inout DiagnosticList
    ) {
        if let hidden = metadata.annotations[Self.internalMetadataAnnotation], metadata.labels.isEmpty, hidden.contains("\"labels\":{\"") {
            let annotations = field.node.first("annotations")
            let node = annotations?.first(Self.internalMetadataAnnotation) ?? field.node
            let path = ConfigurationField.path(of: Self.internalMetadataAnnotation, in: join(field.path, "annotations"))
            ConfigurationField(node, path: path).error(
                "the labels stand inside this annotation", hint: "write them under metadata.labels", into: &problems)
        }
        let prefix = "\(Tier.defaultName)."
        guard kind.isPolicy, metadata.name.hasPrefix(prefix) else { return }
        if let tier = spec?.node.first("tier"), case .scalar(let name, _) = tier.kind, name != Tier.defaultName { return }
        metadata.name = String(metadata.name.dropFirst(prefix.count))
    }

    private func decodeNamespace(_ reader: MappingReader, _ kind: ResourceKind, _ problems: inout DiagnosticList) -> String? {
        let isNamespaced = kind.isNamespaced
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
            let other = kind.name.contains("Global") ? "use the kind without \"Global\", or remove the field" : "remove the field"
            field.error("this kind has no namespace", hint: other, into: &problems)
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

    func decodeLabels(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [String: String] {
        decodeTexts(field, noun: "label", foldsPrefixCase: false, &problems) { key, value, entry, problems in
            if !ResourceNameRule.isLabelValue(value) {
                entry.error(
                    "\"\(value)\" is no valid label value",
                    hint: "at most 63 letters, digits, -, _ and ., a letter or digit at both ends", into: &problems)
            }
        }
    }

    /// Annotations of a rule: ours stand on the resource.
    func decodeAnnotations(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [String: String] {
        decodeAnnotations(field, &problems) { _, _, entry, problems in
            entry.error("stands in the metadata of the policy, not of a rule", hint: "move it there", into: &problems)
        }
    }

    private func decodeAnnotations(
        _ field: ConfigurationField, _ problems: inout DiagnosticList,
        own: (_ key: String, _ value: String, _ entry: ConfigurationField, _ problems: inout DiagnosticList) -> Void
    ) -> [String: String] {
        decodeTexts(field, noun: "annotation", foldsPrefixCase: true, &problems) { key, value, entry, problems in
            if key.lowercased().hasPrefix(Self.annotationPrefix) { own(key, value, entry, &problems) }
        }
    }

    /// What annotations of ours say.
    private struct OwnAnnotations {
        var isExclusive = false
        var deniesByName = false
        var nameVerification: NameVerification?
        var namePorts: [NamePort]?
        var queryPolicy: QueryPolicy?
        var processes: ProcessClass?
    }

    private func decodeOwnAnnotation(
        _ key: String, _ value: String, _ kind: ResourceKind, _ entry: ConfigurationField,
        into own: inout OwnAnnotations, _ problems: inout DiagnosticList
    ) {
        switch key {
        case Self.exclusiveAnnotation:
            guard kind.isPolicy || kind.isNetworkSet else {
                entry.error("has no meaning on a \(kind.name)", hint: "it stands on a policy or a network set", into: &problems)
                return
            }
            own.isExclusive = decodeFlag(value, entry, &problems)
        case Self.denyDomainsAnnotation:
            guard isOfPolicy(kind, entry, &problems) else { return }
            own.deniesByName = decodeFlag(value, entry, &problems)
        case Self.verifyNameAnnotation:
            guard isOfPolicy(kind, entry, &problems) else { return }
            own.nameVerification = NameVerification(rawValue: value)
            if own.nameVerification == nil {
                entry.error("must be \"off\", \"observe\" or \"require\", not \"\(value)\"", hint: "in lower case", into: &problems)
            }
        case Self.verifyNamePortsAnnotation:
            guard isOfPolicy(kind, entry, &problems) else { return }
            own.namePorts = decodeNamePorts(value, entry, &problems)
        case Self.queryPolicyAnnotation:
            guard isOfPolicy(kind, entry, &problems) else { return }
            own.queryPolicy = QueryPolicy(rawValue: value)
            if own.queryPolicy == nil {
                entry.error("must be \"any\" or \"allowed\", not \"\(value)\"", hint: "in lower case", into: &problems)
            }
        case ProcessClass.userKey, ProcessClass.cgroupKey:
            guard kind == .hostEndpoint else {
                entry.error("has no meaning on a \(kind.name)", hint: "it stands on a HostEndpoint", into: &problems)
                return
            }
            let isUser = key == ProcessClass.userKey
            if own.processes != nil {
                entry.error(
                    "stands beside the other of the two: processes are told by user or by cgroup", hint: "remove one", into: &problems)
            }
            own.processes = isUser ? ProcessClass(user: value) : ProcessClass(cgroup: value)
            if own.processes == nil, !isUser {
                entry.error(
                    "\"\(value)\" is no cgroup",
                    hint: "write a path such as \"system.slice/backup.service\", or the unit \"backup.service\"",
                    into: &problems)
            } else if own.processes == nil {
                entry.error("\"\(value)\" is no user", hint: "write a name, a number, or a range such as \"1000-1999\"", into: &problems)
            }
        default:
            let known = [
                Self.exclusiveAnnotation, Self.denyDomainsAnnotation, Self.verifyNameAnnotation, Self.verifyNamePortsAnnotation,
                Self.queryPolicyAnnotation, ProcessClass.userKey, ProcessClass.cgroupKey,
            ]
            let hint = NameSuggestion.hint(for: key, among: known) ?? "known: \(known.joined(separator: ", "))"
            entry.error("unknown annotation \"\(key)\"", hint: hint, into: &problems)
        }
    }

    private func isOfPolicy(_ kind: ResourceKind, _ entry: ConfigurationField, _ problems: inout DiagnosticList) -> Bool {
        if !kind.isPolicy { entry.error("has no meaning on a \(kind.name)", hint: "it stands on a policy", into: &problems) }
        return kind.isPolicy
    }

    /// `tcp:443,tcp:80,udp:443`, spaces around the commas allowed. Nil if something is wrong with it.
    private func decodeNamePorts(_ value: String, _ entry: ConfigurationField, _ problems: inout DiagnosticList) -> [NamePort]? {
        var ports: [NamePort] = []
        let texts = value.split(separator: ",", omittingEmptySubsequences: false).map { text in
            String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        guard texts.count <= Self.namePortsMax else {
            entry.error("has \(texts.count) parts, \(Self.namePortsMax) are allowed", hint: "join ports to ranges", into: &problems)
            return nil
        }
        for text in texts {
            guard let port = NamePort(parsing: text) else {
                entry.error("\"\(text)\" is no port with its protocol", hint: "like tcp:443,tcp:8000-8080,udp:443", into: &problems)
                return nil
            }
            guard !ports.contains(port) else {
                entry.error("\"\(text)\" is here twice", hint: "remove one", into: &problems)
                return nil
            }
            ports.append(port)
        }
        return ports
    }

    private func decodeFlag(_ value: String, _ entry: ConfigurationField, _ problems: inout DiagnosticList) -> Bool {
        if value != "true", value != "false" {
            entry.error("must be \"true\" or \"false\", not \"\(value)\"", hint: "in lower case and in quotes", into: &problems)
        }
        return value == "true"
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
