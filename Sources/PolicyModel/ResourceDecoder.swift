import NetworkTypes

/// Decodes documents into resources and keeps what the checks across resources need.
///
/// A resource is kept only if decoding it gave no error. The themes stand in `ResourceDecoder+...`: metadata, policies
/// and rules, the other kinds.
struct ResourceDecoder {
    /// Names that one resource uses for another, with the place to blame.
    struct References {
        var declaredTiers: Set<String> = []
        var namedTiers: [(tier: String, field: ConfigurationField)] = []
        var endpointAddresses: [(endpoint: WorkloadEndpoint, addresses: [(IPAddress, ConfigurationField)])] = []
    }

    var policies: [NetworkPolicy] = []
    var tiers: [Tier] = []
    var networkSets: [NetworkSet] = []
    var endpoints: [WorkloadEndpoint] = []
    var references = References()
    private var firstLocations: [String: SourceLocation] = [:]

    static let calicoVersion = "projectcalico.org/v3"
    /// Lists may hold lists, but nobody needs many levels of it.
    private static let listNestingMax = 4

    private enum Kind: String, CaseIterable {
        case globalNetworkPolicy = "GlobalNetworkPolicy"
        case networkPolicy = "NetworkPolicy"
        case tier = "Tier"
        case globalNetworkSet = "GlobalNetworkSet"
        case networkSet = "NetworkSet"
        case workloadEndpoint = "WorkloadEndpoint"
    }

    /// Kinds of Calico that are valid there and refused here for now.
    private static let unsupportedKinds: Set<String> = [
        "StagedNetworkPolicy", "StagedGlobalNetworkPolicy", "StagedKubernetesNetworkPolicy", "HostEndpoint", "Profile", "IPPool",
        "EgressGatewayPolicy", "BGPConfiguration", "BGPFilter", "BGPPeer", "BlockAffinity", "CalicoNodeStatus", "ClusterInformation",
        "FelixConfiguration", "IPAMConfiguration", "IPReservation", "KubeControllersConfiguration", "Node",
    ]

    mutating func decode(_ document: ConfigurationNode, _ problems: inout DiagnosticList) {
        if case .null = document.kind { return }
        decode(ConfigurationField(document, path: ""), impliedKind: nil, listDepth: 0, &problems)
    }

    private mutating func decode(
        _ field: ConfigurationField, impliedKind: String?, listDepth: Int, _ problems: inout DiagnosticList
    ) {
        guard case .mapping = field.node.kind else {
            field.error("a resource must be a mapping, not \(field.node.kindName)", into: &problems)
            return
        }
        var kind = impliedKind
        if let kindNode = field.node.first("kind") {
            guard let text = ConfigurationField(kindNode, path: join(field.path, "kind")).string(&problems) else { return }
            kind = text
        }
        var version = impliedKind == nil ? nil : Self.calicoVersion
        if let versionNode = field.node.first("apiVersion") {
            guard let text = ConfigurationField(versionNode, path: join(field.path, "apiVersion")).string(&problems) else { return }
            version = text
        }
        guard let kind else {
            problems.error(at: field.location, field: join(field.path, "kind"), "is required")
            return
        }
        guard let version else {
            problems.error(at: field.location, field: join(field.path, "apiVersion"), "is required")
            return
        }
        let errorsBefore = problems.errorCount
        switch (version, kind) {
        case ("v1", "List"):
            decodeList(field, elementKind: nil, depth: listDepth, &problems)
        case (Self.calicoVersion, _):
            if let known = Kind(rawValue: kind) {
                decodeResource(known, field, errorsBefore: errorsBefore, &problems)
            } else if kind.hasSuffix("List"), let element = Kind(rawValue: String(kind.dropLast(4))) {
                decodeList(field, elementKind: element.rawValue, depth: listDepth, &problems)
            } else {
                refuseKind(kind, of: field, &problems)
            }
        default:
            refuseVersion(version, kind: kind, of: field, &problems)
        }
    }

    private func refuseKind(_ kind: String, of field: ConfigurationField, _ problems: inout DiagnosticList) {
        let location = field.node.first("kind")?.location ?? field.location
        if Self.unsupportedKinds.contains(kind) {
            problems.error(at: location, field: join(field.path, "kind"), "\(kind) is not supported yet")
        } else {
            let names = Kind.allCases.map(\.rawValue)
            problems.error(
                at: location, field: join(field.path, "kind"), "unknown kind \"\(kind)\"",
                hint: NameSuggestion.hint(for: kind, among: names) ?? "known kinds: \(names.joined(separator: ", "))")
        }
    }

    private func refuseVersion(_ version: String, kind: String, of field: ConfigurationField, _ problems: inout DiagnosticList) {
        let location = field.node.first("apiVersion")?.location ?? field.location
        let path = join(field.path, "apiVersion")
        switch version {
        case "networking.k8s.io/v1", "policy.networking.k8s.io/v1alpha1", "policy.networking.k8s.io/v1alpha2", "cilium.io/v2",
            "k8s.ovn.org/v1", "networking.istio.io/v1":
            problems.error(at: location, field: path, "\(kind) of \(version) is not supported yet")
        case "crd.projectcalico.org/v1":
            problems.error(
                at: location, field: path, "\(version) is Calico's internal form", hint: "write \(Self.calicoVersion)")
        default:
            let known = [Self.calicoVersion]
            problems.error(
                at: location, field: path, "unknown version \"\(version)\"",
                hint: NameSuggestion.hint(for: version, among: known) ?? "known: \(Self.calicoVersion), and v1 for List")
        }
    }

    private mutating func decodeList(
        _ field: ConfigurationField, elementKind: String?, depth: Int, _ problems: inout DiagnosticList
    ) {
        guard depth < Self.listNestingMax else {
            field.error("lists within lists, more than \(Self.listNestingMax) levels", into: &problems)
            return
        }
        let fields = MappingReader.Fields(["apiVersion", "kind", "items"], ignored: ["metadata"])
        guard let reader = MappingReader(field, fields: fields, &problems), let items = reader.required("items", &problems),
            let elements = items.elements(&problems)
        else { return }
        for element in elements { decode(element, impliedKind: elementKind, listDepth: depth + 1, &problems) }
    }

    private mutating func decodeResource(
        _ kind: Kind, _ field: ConfigurationField, errorsBefore: Int, _ problems: inout DiagnosticList
    ) {
        let fields = MappingReader.Fields(["apiVersion", "kind", "metadata", "spec"], ignored: ["status"])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        guard let metadataField = reader.required("metadata", &problems) else { return }
        let isNamespaced = kind == .networkPolicy || kind == .networkSet || kind == .workloadEndpoint
        guard let metadata = decodeMetadata(metadataField, isNamespaced: isNamespaced, &problems) else { return }
        checkUniqueness(kind, metadata, &problems)
        let spec = reader["spec"]
        switch kind {
        case .globalNetworkPolicy, .networkPolicy:
            let policy = decodePolicy(metadata, spec: spec, field, &problems)
            if let policy, problems.errorCount == errorsBefore { policies.append(policy) }
        case .tier:
            references.declaredTiers.insert(metadata.name)
            let tier = decodeTier(metadata, spec: spec, field, &problems)
            if let tier, problems.errorCount == errorsBefore { tiers.append(tier) }
        case .globalNetworkSet, .networkSet:
            let set = decodeNetworkSet(metadata, spec: spec, field, &problems)
            if let set, problems.errorCount == errorsBefore { networkSets.append(set) }
        case .workloadEndpoint:
            guard let specField = reader.required("spec", &problems) else { return }
            let decoded = decodeEndpoint(metadata, spec: specField, field, &problems)
            if let decoded, problems.errorCount == errorsBefore {
                endpoints.append(decoded.endpoint)
                references.endpointAddresses.append((decoded.endpoint, decoded.addresses))
            }
        }
    }

    /// The same kind, namespace and name twice: which one counts would depend on the order of files.
    private mutating func checkUniqueness(_ kind: Kind, _ metadata: Metadata, _ problems: inout DiagnosticList) {
        let identity = metadata.namespace.map { "\($0)/\(metadata.name)" } ?? metadata.name
        let key = "\(kind.rawValue) \(identity)"
        if let first = firstLocations[key] {
            metadata.nameField.error("\(key) is defined twice", hint: "first at \(first)", into: &problems)
        } else {
            firstLocations[key] = metadata.nameField.location
        }
    }

    func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}
