import NetworkTypes

/// Decodes documents into resources and keeps what the checks across resources need.
///
/// A resource is kept only if decoding it gave no error. The themes stand in `ResourceDecoder+...`: metadata, policies
/// and rules, the other kinds, what is refused; the other dialects stand in files named after them.
struct ResourceDecoder: Sendable {
    var policies: [NetworkPolicy] = []
    var tiers: [Tier] = []
    var networkSets: [NetworkSet] = []
    var endpoints: [WorkloadEndpoint] = []
    var hostEndpoints: [HostEndpoint] = []
    var profiles: [Profile] = []
    var namespaces: [Namespace] = []
    var serviceAccounts: [ServiceAccount] = []
    var serviceEndpoints: [ServiceEndpoints] = []
    var felixConfigurations: [FelixConfiguration] = []
    var references = ResourceReferences()
    /// Every resource, also those with an error, with the place to blame if another is called the same.
    private(set) var declared: [ResourceKey: ConfigurationField] = [:]
    private var filesWithInternalForm: Set<String> = []

    /// Lists may hold lists, but nobody needs many levels of it.
    private static let listNestingMax = 4

    mutating func decode(_ document: ConfigurationNode, _ problems: inout DiagnosticList) {
        if case .null = document.kind { return }
        decode(ConfigurationField(document, path: ""), implied: nil, listDepth: 0, &problems)
    }

    /// `implied`: what an element of an `XList` is if it does not say so itself.
    private mutating func decode(
        _ field: ConfigurationField, implied: (version: String, kind: String)?, listDepth: Int, _ problems: inout DiagnosticList
    ) {
        guard case .mapping = field.node.kind else {
            field.error(
                "a resource must be a mapping, not \(field.node.kindName)", hint: "it begins with apiVersion, kind and metadata",
                into: &problems)
            return
        }
        var kindName = implied?.kind
        if let node = field.node.first("kind") {
            guard let text = ConfigurationField(node, path: join(field.path, "kind")).string(&problems) else { return }
            kindName = text
        }
        var versionName = implied?.version
        if let node = field.node.first("apiVersion") {
            guard let text = ConfigurationField(node, path: join(field.path, "apiVersion")).string(&problems) else { return }
            versionName = text
        }
        guard let kindName else {
            problems.error(at: field.location, field: join(field.path, "kind"), "is required", hint: "add it")
            return
        }
        guard let versionName else {
            let versions = ResourceVersion.allCases.filter { $0 != .calicoInternal && $0.kind(named: kindName) != nil }
            problems.error(
                at: field.location, field: join(field.path, "apiVersion"), "is required",
                hint: versions.first.map { "\(kindName) is of \($0.rawValue)" } ?? "add it")
            return
        }
        if versionName == ResourceVersion.core.rawValue, kindName == "List" {
            decodeList(field, implied: nil, depth: listDepth, &problems)
            return
        }
        guard let version = ResourceVersion(rawValue: versionName) else {
            refuseVersion(versionName, kind: kindName, of: field, &problems)
            return
        }
        if let kind = version.kind(named: kindName) {
            if version == .calicoInternal { warnOfInternalForm(field, &problems) }
            decodeResource(kind, version, field, &problems)
        } else if kindName.hasSuffix("List"), let element = version.kind(named: String(kindName.dropLast(4))) {
            decodeList(field, implied: (versionName, element.name), depth: listDepth, &problems)
        } else {
            refuseKind(kindName, of: version, field, &problems)
        }
    }

    /// Once for each file.
    private mutating func warnOfInternalForm(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard filesWithInternalForm.insert(field.location.file).inserted else { return }
        problems.warning(
            at: field.node.first("apiVersion")?.location ?? field.location, field: join(field.path, "apiVersion"),
            "\(ResourceVersion.calicoInternal.rawValue) is Calico's internal form, read as \(ResourceVersion.calico.rawValue)",
            hint: "write \(ResourceVersion.calico.rawValue)")
    }

    private mutating func decodeList(
        _ field: ConfigurationField, implied: (version: String, kind: String)?, depth: Int, _ problems: inout DiagnosticList
    ) {
        guard depth < Self.listNestingMax else {
            field.error("lists within lists, more than \(Self.listNestingMax) levels", hint: "put the items into one list", into: &problems)
            return
        }
        let fields = MappingReader.Fields(["apiVersion", "kind", "items"], ignored: ["metadata"])
        guard let reader = MappingReader(field, fields: fields, &problems), let items = reader.required("items", &problems),
            let elements = items.elements(&problems)
        else { return }
        for element in elements { decode(element, implied: implied, listDepth: depth + 1, &problems) }
    }

    private mutating func decodeResource(
        _ kind: ResourceKind, _ version: ResourceVersion, _ field: ConfigurationField, _ problems: inout DiagnosticList
    ) {
        let errorsBefore = problems.errorCount
        guard let reader = MappingReader(field, fields: Self.documentFields(of: kind), &problems) else { return }
        guard let metadataField = reader.required("metadata", &problems) else { return }
        guard var metadata = decodeMetadata(metadataField, kind: kind, &problems) else { return }
        if version == .calicoInternal { readInternalForm(of: kind, spec: reader["spec"], into: &metadata, metadataField, &problems) }
        checkUniqueness(kind, metadata, &problems)
        decodeContent(kind, metadata, reader, field, errorsBefore: errorsBefore, &problems)
    }

    /// What stands beside `apiVersion`, `kind` and `metadata`.
    static func documentFields(of kind: ResourceKind) -> MappingReader.Fields {
        let common = ["apiVersion", "kind", "metadata"]
        switch kind {
        case .namespace:
            return MappingReader.Fields(common, ignored: ["spec", "status"])
        case .serviceAccount:
            return MappingReader.Fields(common, ignored: ["secrets", "imagePullSecrets", "automountServiceAccountToken"])
        case .endpointSlice:
            return MappingReader.Fields(common + ResourceFields.endpointSlice)
        case .ciliumNetworkPolicy, .ciliumClusterwideNetworkPolicy:
            return MappingReader.Fields(common + ["spec", "specs"], ignored: ["status"])
        default:
            return MappingReader.Fields(common + ["spec"], ignored: ["status"])
        }
    }

    private mutating func decodeContent(
        _ kind: ResourceKind, _ metadata: Metadata, _ reader: MappingReader, _ field: ConfigurationField, errorsBefore: Int,
        _ problems: inout DiagnosticList
    ) {
        let spec = reader["spec"]
        var found: [Resource] = []
        switch kind {
        case .globalNetworkPolicy, .networkPolicy, .stagedGlobalNetworkPolicy, .stagedNetworkPolicy:
            if let policy = decodePolicy(metadata, spec: spec, kind: kind, field, &problems) { found = [.policy(policy)] }
        case .kubernetesNetworkPolicy, .stagedKubernetesNetworkPolicy:
            found = decodeKubernetesPolicy(metadata, spec: spec, kind: kind, field, &problems).map(Resource.policy)
        case .clusterNetworkPolicy:
            found = decodeClusterNetworkPolicy(metadata, spec: spec, field, &problems).map(Resource.policy)
        case .ciliumNetworkPolicy, .ciliumClusterwideNetworkPolicy:
            found = decodeCiliumPolicy(metadata, spec: spec, specs: reader["specs"], kind: kind, field, &problems).map(Resource.policy)
        case .egressFirewall:
            found = decodeEgressFirewall(metadata, spec: spec, field, &problems).map(Resource.policy)
        case .serviceEntry:
            found = decodeServiceEntry(metadata, spec: spec, field, &problems).map(Resource.networkSet)
        case .tier:
            references.declaredTiers.insert(metadata.name)
            if let tier = decodeTier(metadata, spec: spec, field, &problems) { found = [.tier(tier)] }
        case .globalNetworkSet, .networkSet:
            if let set = decodeNetworkSet(metadata, spec: spec, kind: kind, field, &problems) { found = [.networkSet(set)] }
        case .workloadEndpoint:
            if let spec = reader.required("spec", &problems),
                let endpoint = decodeWorkloadEndpoint(metadata, spec: spec, field, &problems)
            {
                found = [.workloadEndpoint(endpoint)]
            }
        case .hostEndpoint:
            if let spec = reader.required("spec", &problems), let endpoint = decodeHostEndpoint(metadata, spec: spec, field, &problems) {
                found = [.hostEndpoint(endpoint)]
            }
        case .profile:
            references.declaredProfiles.insert(metadata.name)
            if let profile = decodeProfile(metadata, spec: spec, field, &problems) { found = [.profile(profile)] }
        case .felixConfiguration:
            if let felix = decodeFelixConfiguration(metadata, spec: spec, field, &problems) { found = [.felixConfiguration(felix)] }
        case .namespace:
            found = [.namespace(Namespace(name: metadata.name, labels: metadata.labels, location: field.location))]
        case .serviceAccount:
            let namespace = metadata.namespace ?? "default"
            found = [
                .serviceAccount(
                    ServiceAccount(name: metadata.name, namespace: namespace, labels: metadata.labels, location: field.location))
            ]
        case .endpointSlice:
            if let slice = decodeEndpointSlice(metadata, reader, field, &problems) { found = [.serviceEndpoints(slice)] }
        }
        guard problems.errorCount == errorsBefore else { return }
        for resource in found { keep(resource) }
    }

    private mutating func keep(_ resource: Resource) {
        switch resource {
        case .policy(let policy): policies.append(policy)
        case .tier(let tier): tiers.append(tier)
        case .networkSet(let set): networkSets.append(set)
        case .workloadEndpoint(let endpoint): endpoints.append(endpoint)
        case .hostEndpoint(let endpoint): hostEndpoints.append(endpoint)
        case .profile(let profile): profiles.append(profile)
        case .namespace(let namespace): namespaces.append(namespace)
        case .serviceAccount(let account): serviceAccounts.append(account)
        case .serviceEndpoints(let slice): serviceEndpoints.append(slice)
        case .felixConfiguration(let felix): felixConfigurations.append(felix)
        }
    }

    /// The same kind, namespace and name twice: which one counts would depend on the order of files.
    private mutating func checkUniqueness(_ kind: ResourceKind, _ metadata: Metadata, _ problems: inout DiagnosticList) {
        let key = ResourceKey(kind, namespace: metadata.namespace, name: metadata.name)
        if let first = declared[key] {
            metadata.nameField.error("\(key) is defined twice", hint: "first at \(first.location)", into: &problems)
        } else {
            declared[key] = metadata.nameField
        }
    }

    func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}
