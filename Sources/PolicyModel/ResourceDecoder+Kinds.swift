import DomainNames
import NetworkTypes

extension ResourceDecoder {
    func decodeTier(
        _ metadata: Metadata, spec: ConfigurationField?, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> Tier? {
        if !ResourceNameRule.isLabel(metadata.name) {
            metadata.nameField.error(
                "\"\(metadata.name)\" is no valid tier name", hint: "one DNS label: no dots, at most 63 characters", into: &problems)
        }
        var tier = Tier(name: metadata.name, location: document.location)
        var orderField: ConfigurationField?
        var actionField: ConfigurationField?
        if let spec {
            let fields = MappingReader.Fields(["order", "defaultAction"])
            guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
            orderField = reader["order"]
            actionField = reader["defaultAction"]
            tier.order = orderField?.number(&problems)
            tier.defaultAction = actionField?.choice(Tier.DefaultAction.self, &problems) ?? .deny
        }
        if let fixed = Tier.reserved[metadata.name] {
            if tier.order != fixed.order {
                (orderField ?? metadata.nameField).error(
                    "the tier \"\(metadata.name)\" must have the order \(Int(fixed.order))", into: &problems)
            }
            if tier.defaultAction != fixed.defaultAction {
                (actionField ?? metadata.nameField).error(
                    "the tier \"\(metadata.name)\" must have the default action \(fixed.defaultAction.rawValue)", into: &problems)
            }
        }
        return tier
    }

    func decodeNetworkSet(
        _ metadata: Metadata, spec: ConfigurationField?, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> NetworkSet? {
        var set = NetworkSet(
            name: metadata.name, namespace: metadata.namespace, labels: metadata.labels, location: document.location)
        guard let spec else { return set }
        let fields = MappingReader.Fields(
            ["nets", "allowedEgressDomains"],
            misplaced: ["domains": "in a network set the field is \"allowedEgressDomains\""])
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
        set.nets = reader["nets"].map { decodeNets($0, &problems).map(\.prefix) } ?? []
        set.allowedEgressDomains = reader["allowedEgressDomains"].map { decodeDomains($0, &problems) } ?? []
        return set
    }

    func decodeEndpoint(
        _ metadata: Metadata, spec: ConfigurationField, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> (endpoint: WorkloadEndpoint, addresses: [(IPAddress, ConfigurationField)])? {
        let fields = MappingReader.Fields(
            [
                "orchestrator", "workload", "node", "containerID", "pod", "endpoint", "serviceAccountName", "ipNetworks", "profiles",
                "interfaceName", "mac",
            ],
            unsupported: ["ipNATs", "ipv4Gateway", "ipv6Gateway", "ports", "allowSpoofedSourcePrefixes", "qosControls"],
            misplaced: ["ipAddresses": "the field is \"ipNetworks\"", "labels": "belongs under metadata"])
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
        for name in ["workload", "containerID", "endpoint", "mac"] { _ = reader[name]?.string(&problems) }

        var addresses: [(IPAddress, ConfigurationField)] = []
        if let networks = reader.required("ipNetworks", &problems), let elements = networks.elements(&problems) {
            if elements.isEmpty { networks.error("must not be empty", into: &problems) }
            for element in elements {
                guard let text = element.string(&problems) else { continue }
                guard let prefix = IPPrefix(parsing: text) else {
                    element.error("\"\(text)\" is no address", into: &problems)
                    continue
                }
                guard Int(prefix.length) == prefix.address.family.addressBits else {
                    element.error(
                        "\"\(text)\" is more than one address", hint: "an endpoint has single addresses: /32 or /128", into: &problems)
                    continue
                }
                addresses.append((prefix.address, element))
            }
        }
        var interface = ""
        if let interfaceField = reader.required("interfaceName", &problems), let text = interfaceField.string(&problems) {
            interface = text
            if !ResourceNameRule.isInterfaceName(text) {
                interfaceField.error(
                    "\"\(text)\" is no valid interface name", hint: "1 to 15 letters, digits, -, _ and .", into: &problems)
            }
        }
        let profiles = reader["profiles"].flatMap { $0.elements(&problems)?.compactMap { $0.string(&problems) } } ?? []
        let endpoint = WorkloadEndpoint(
            name: metadata.name, namespace: metadata.namespace ?? "default", uid: metadata.uid, labels: metadata.labels,
            addresses: addresses.map(\.0), interfaceName: interface, orchestrator: reader["orchestrator"]?.string(&problems),
            node: reader["node"]?.string(&problems), pod: reader["pod"]?.string(&problems),
            serviceAccount: reader["serviceAccountName"]?.string(&problems), profiles: profiles, location: document.location)
        return (endpoint, addresses)
    }

    /// Prefixes with the field that each came from. Host bits are cleared, with a warning.
    func decodeNets(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [(prefix: IPPrefix, field: ConfigurationField)] {
        var nets: [(prefix: IPPrefix, field: ConfigurationField)] = []
        for element in field.elements(&problems) ?? [] {
            guard let text = element.string(&problems) else { continue }
            guard let prefix = IPPrefix(parsing: text) else {
                element.error("\"\(text)\" is no address or prefix", hint: "write 192.0.2.0/24 or 2001:db8::/32", into: &problems)
                continue
            }
            let given = text.split(separator: "/").first.flatMap { IPAddress(parsing: $0) }
            if given != prefix.address {
                problems.warning(at: element.location, field: element.path, "\"\(text)\" has host bits, read as \(prefix)")
            }
            nets.append((prefix, element))
        }
        return nets
    }

    /// An empty list is refused: beside no other criterion it would match every destination.
    func decodeDomains(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [DomainPattern] {
        guard let elements = field.elements(&problems) else { return [] }
        if elements.isEmpty {
            field.error("an empty list names no domain", hint: "remove the field, or list what may be reached", into: &problems)
        }
        var patterns: [DomainPattern] = []
        for element in elements {
            guard let text = element.string(&problems) else { continue }
            do throws(DomainPatternError) {
                patterns.append(try DomainPattern(parsing: text, dialect: .calico))
            } catch {
                element.error(
                    "\"\(text)\" is no domain pattern: \(error.reason), at character \(error.offset + 1)", hint: error.hint,
                    into: &problems)
            }
        }
        return patterns
    }
}
