import DomainNames
import NetworkTypes

/// `networking.istio.io` ServiceEntry: its hosts and addresses as a set, which rules select by the entry's labels.
///
/// Source: istio.io, "Service Entry" reference.
extension ResourceDecoder {
    private enum EntryLocation: String, CaseIterable {
        case external = "MESH_EXTERNAL"
        case `internal` = "MESH_INTERNAL"
    }

    private enum EntryResolution: String, CaseIterable {
        case none = "NONE"
        case `static` = "STATIC"
        case dns = "DNS"
        case roundRobin = "DNS_ROUND_ROBIN"
        case dynamic = "DYNAMIC_DNS"
    }

    /// Of hosts, addresses and ports each.
    private static let entryItemsMax = 256

    mutating func decodeServiceEntry(
        _ metadata: Metadata, spec: ConfigurationField?, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> [NetworkSet] {
        guard let spec else {
            problems.error(at: document.location, field: "spec", "is required", hint: "add it")
            return []
        }
        let fields = MappingReader.Fields(ResourceFields.serviceEntry, misplaced: ["host": "the field is \"hosts\", a list"])
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return [] }
        var set = NetworkSet(
            name: metadata.name, kind: .serviceEntry, namespace: metadata.namespace, labels: metadata.labels,
            isExclusive: metadata.isExclusive, location: document.location)
        if let hosts = reader.required("hosts", &problems) {
            let elements = entryElements(hosts, &problems)
            if elements.isEmpty { hosts.error("must not be empty", hint: "name the hosts", into: &problems) }
            for element in elements {
                guard let host = decodeEntryHost(element, &problems) else { continue }
                if !set.allowedEgressDomains.contains(host) { set.allowedEgressDomains.append(host) }
            }
        }
        let resolution = reader["resolution"].map { $0.choice(EntryResolution.self, &problems) } ?? EntryResolution.none
        if let addresses = reader["addresses"] {
            for element in entryElements(addresses, &problems) {
                guard let prefix = decodePrefix(element, &problems) else { continue }
                let isRange = Int(prefix.length) < prefix.address.family.addressBits
                if let resolution, isRange, resolution != .none, resolution != .static {
                    element.error(
                        "\(prefix) is a range: it goes with the resolution NONE or STATIC",
                        hint: "change the resolution, or name addresses",
                        into: &problems)
                }
                if !set.nets.contains(prefix) { set.nets.append(prefix) }
            }
        }
        if let ports = reader["ports"] { checkEntryPorts(ports, &problems) }
        checkEntryScope(reader, metadata, &problems)
        return [set]
    }

    private func entryElements(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [ConfigurationField] {
        guard let elements = field.elements(&problems) else { return [] }
        if elements.count > Self.entryItemsMax {
            field.error("has \(elements.count) elements, \(Self.entryItemsMax) are allowed", hint: "write several entries", into: &problems)
        }
        return elements
    }

    /// A name, or `*.` and a name for one or more labels before it.
    private func decodeEntryHost(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> DomainPattern? {
        if case .scalar("*", _) = field.node.kind {
            field.error("\"*\" is every name", hint: "a rule without destination says so more plainly", into: &problems)
            return nil
        }
        return decodeName(field, dialect: .istio, &problems)
    }

    private func checkEntryPorts(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let protocols = ["HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "TCP", "TLS", "UDP", "REDIS", "MYSQL"]
        let elements = entryElements(field, &problems)
        for element in elements {
            guard let reader = MappingReader(element, fields: MappingReader.Fields(ResourceFields.serviceEntryPort), &problems) else {
                continue
            }
            if let number = reader.required("number", &problems) { _ = decodePortNumber(number, &problems) }
            if let target = reader["targetPort"] { _ = decodePortNumber(target, &problems) }
            if let name = reader.required("name", &problems) { _ = name.string(&problems) }
            guard let protocolField = reader["protocol"], let text = protocolField.string(&problems) else { continue }
            if !protocols.contains(text.uppercased()) {
                protocolField.error(
                    "unknown protocol \"\(text)\"",
                    hint: NameSuggestion.hint(for: text, among: protocols) ?? "known: \(protocols.joined(separator: ", "))", into: &problems
                )
            }
        }
        guard !elements.isEmpty else { return }
        problems.warning(
            at: field.location, field: field.path, "ports restrict nothing here", hint: "the rule that selects this set names the ports")
    }

    /// What says who serves an entry and who may use it.
    private func checkEntryScope(_ reader: MappingReader, _ metadata: Metadata, _ problems: inout DiagnosticList) {
        reader["endpoints"]?.error(
            "endpoints are addresses that Istio's proxy dials in place of the hosts; there is no proxy here",
            hint: "list under addresses what pods connect to", into: &problems)
        reader["workloadSelector"]?.error(
            "a set holds no pods", hint: "select them by label in the rule, beside this set", into: &problems)
        if let field = reader["location"], field.choice(EntryLocation.self, &problems) == .internal {
            problems.warning(
                at: field.location, field: field.path, "makes no difference here: no mutual TLS is asked for inside the mesh")
        }
        if let field = reader["subjectAltNames"], let names = field.elements(&problems) {
            for name in names { _ = name.string(&problems) }
            if !names.isEmpty {
                problems.warning(at: field.location, field: field.path, "certificates are not looked at: the names are not verified")
            }
        }
        guard let field = reader["exportTo"], let names = field.elements(&problems) else { return }
        var isConfined = false
        for name in names {
            guard let text = name.string(&problems) else { continue }
            if text != "*" { isConfined = true }
            if text != "*", text != ".", text != "~", !ResourceNameRule.isLabel(text) {
                name.error("\"\(text)\" is no namespace", hint: "a namespace, \".\" for its own or \"*\" for all", into: &problems)
            }
        }
        if isConfined {
            problems.warning(
                at: field.location, field: field.path, "confines nothing here: any policy may select the set",
                hint: "policies of other namespaces reach it only with a namespaceSelector")
        }
    }
}
