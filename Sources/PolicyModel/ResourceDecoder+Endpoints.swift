import NetworkTypes

extension ResourceDecoder {
    mutating func decodeWorkloadEndpoint(
        _ metadata: Metadata, spec: ConfigurationField, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> WorkloadEndpoint? {
        let fields = MappingReader.Fields(
            ResourceFields.workloadEndpoint,
            misplaced: ["ipAddresses": "the field is \"ipNetworks\"", "labels": "belongs under metadata"])
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
        for name in ["workload", "containerID", "endpoint", "mac"] { _ = reader[name]?.string(&problems) }
        checkUnusedEndpointFields(reader, &problems)

        let errorsBefore = problems.errorCount
        var addresses: [(IPAddress, ConfigurationField)] = []
        if let networks = reader.required("ipNetworks", &problems), let elements = networks.elements(&problems) {
            if elements.isEmpty { networks.error("must not be empty", hint: "list the addresses of the endpoint", into: &problems) }
            for element in elements {
                if let address = decodeEndpointAddress(element, &problems) { addresses.append((address, element)) }
            }
        }
        var interface = ""
        if let interfaceField = reader.required("interfaceName", &problems) {
            interface = decodeInterfaceName(interfaceField, &problems) ?? ""
        }
        // Empty is as good as absent: else no policy of Kubernetes would select the pod.
        let orchestrator = reader["orchestrator"]?.string(&problems)
        let endpoint = WorkloadEndpoint(
            name: metadata.name, namespace: metadata.namespace ?? "default", uid: metadata.uid, labels: metadata.labels,
            addresses: addresses.map(\.0), interfaceName: interface, orchestrator: orchestrator == "" ? nil : orchestrator,
            node: reader["node"]?.string(&problems), pod: reader["pod"]?.string(&problems),
            serviceAccount: reader["serviceAccountName"]?.string(&problems),
            profiles: reader["profiles"].map { decodeProfileNames($0, &problems) } ?? [],
            ports: reader["ports"].map { decodeNamedPorts($0, fields: ResourceFields.workloadEndpointPort, &problems) } ?? [],
            location: document.location)
        if problems.errorCount == errorsBefore {
            for (address, field) in addresses {
                references.addresses.append((address, "the endpoint \(endpoint.identity)", endpoint.location, field))
            }
        }
        return endpoint
    }

    /// Fields of Calico that say nothing about policy, and those that would change whose packets are whose.
    private func checkUnusedEndpointFields(_ reader: MappingReader, _ problems: inout DiagnosticList) {
        for name in ["ipv4Gateway", "ipv6Gateway"] {
            guard let field = reader[name], let text = field.string(&problems), !text.isEmpty else { continue }
            if IPAddress(parsing: text) == nil {
                field.error("\"\(text)\" is no address", hint: "write 192.0.2.1 or 2001:db8::1", into: &problems)
            }
        }
        for name in ["ipNATs", "qosControls"] {
            guard let field = reader[name] else { continue }
            problems.warning(at: field.location, field: field.path, "has no effect")
        }
        if let field = reader["allowSpoofedSourcePrefixes"], let elements = field.elements(&problems), !elements.isEmpty {
            field.error(
                "a flow belongs to the endpoint whose address it comes from: an endpoint cannot have foreign source addresses",
                hint: "list addresses of its own under ipNetworks", into: &problems)
        }
    }

    private func decodeEndpointAddress(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> IPAddress? {
        guard let text = field.string(&problems) else { return nil }
        guard let prefix = IPPrefix(parsing: text) else {
            field.error("\"\(text)\" is no address", hint: "write 192.0.2.1 or 2001:db8::1", into: &problems)
            return nil
        }
        guard Int(prefix.length) == prefix.address.family.addressBits else {
            field.error(
                "\"\(text)\" is more than one address", hint: "an endpoint has single addresses: /32 or /128", into: &problems)
            return nil
        }
        return prefix.address
    }

    private func decodeInterfaceName(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> String? {
        guard let text = field.string(&problems) else { return nil }
        if !ResourceNameRule.isInterfaceName(text) {
            field.error("\"\(text)\" is no valid interface name", hint: "1 to 15 letters, digits, -, _ and .", into: &problems)
        }
        return text
    }

    mutating func decodeHostEndpoint(
        _ metadata: Metadata, spec: ConfigurationField, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> HostEndpoint? {
        let fields = MappingReader.Fields(
            ResourceFields.hostEndpoint,
            misplaced: ["expectedIps": "the field is \"expectedIPs\"", "ipNetworks": "the field is \"expectedIPs\""])
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
        let errorsBefore = problems.errorCount
        var addresses: [(IPAddress, ConfigurationField)] = []
        for element in reader["expectedIPs"]?.elements(&problems) ?? [] {
            guard let text = element.string(&problems) else { continue }
            if let address = IPAddress(parsing: text) {
                addresses.append((address, element))
            } else {
                element.error("\"\(text)\" is no address", hint: "write 192.0.2.1 or 2001:db8::1", into: &problems)
            }
        }
        let node = reader.required("node", &problems).flatMap { field -> String? in
            guard let text = field.string(&problems) else { return nil }
            if text.isEmpty { field.error("must not be empty", hint: "name the node", into: &problems) }
            return text
        }
        var interface: String?
        if let field = reader["interfaceName"], let text = field.string(&problems), !text.isEmpty {
            interface = text
            if text != "*" { _ = decodeInterfaceName(field, &problems) }
        }
        if interface == nil, addresses.isEmpty, reader["expectedIPs"].map({ !Self.hasElements($0) }) ?? true {
            spec.error("must have an interfaceName or expectedIPs", hint: "interfaceName: \"*\" means every interface", into: &problems)
        }
        var labels = metadata.labels
        if let processes = metadata.processes {
            let isAll = interface == "*" && addresses.isEmpty
            if !isAll {
                spec.error(
                    "must have interfaceName \"*\" and no expectedIPs",
                    hint: "\(processes.key) selects processes, from whatever address they send", into: &problems)
            }
            if let label = labels[processes.key], label != processes.text {
                document.error(
                    "the label \(processes.key) is not what the annotation says", hint: "remove the label: the annotation sets it",
                    into: &problems)
            }
            labels[processes.key] = processes.text
        }
        let endpoint = HostEndpoint(
            name: metadata.name, labels: labels, node: node ?? "", interfaceName: interface, expectedIPs: addresses.map(\.0),
            profiles: reader["profiles"].map { decodeProfileNames($0, &problems) } ?? [],
            ports: reader["ports"].map { decodeNamedPorts($0, fields: ResourceFields.hostEndpointPort, &problems) } ?? [],
            processes: metadata.processes, location: document.location)
        if problems.errorCount == errorsBefore {
            if metadata.processes != nil { references.classes.append((endpoint, document)) }
            for (address, field) in addresses {
                references.addresses.append((address, "the host endpoint \(endpoint.name)", endpoint.location, field))
            }
        }
        return endpoint
    }

    private static func hasElements(_ field: ConfigurationField) -> Bool {
        if case .sequence(let nodes) = field.node.kind { return !nodes.isEmpty }
        return true
    }

    private enum AddressType: String, CaseIterable {
        case ipv4 = "IPv4"
        case ipv6 = "IPv6"
        case fqdn = "FQDN"
    }

    private static let serviceNameLabel = "kubernetes.io/service-name"

    /// Nil, without an error, for a slice of no service.
    func decodeEndpointSlice(
        _ metadata: Metadata, _ reader: MappingReader, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> ServiceEndpoints? {
        let type = reader.required("addressType", &problems)?.choice(AddressType.self, &problems)
        var addresses: [IPAddress] = []
        for element in reader["endpoints"]?.elements(&problems) ?? [] {
            decodeSliceEndpoint(element, type, into: &addresses, &problems)
        }
        var ports: [NamedPort] = []
        for element in reader["ports"]?.elements(&problems) ?? [] {
            if let port = decodeSlicePort(element, &problems) { ports.append(port) }
        }
        guard let service = metadata.labels[Self.serviceNameLabel] else {
            problems.warning(
                at: metadata.nameField.location, field: metadata.nameField.path, "belongs to no service: no rule can name it",
                hint: "label it \(Self.serviceNameLabel)")
            return nil
        }
        return ServiceEndpoints(
            name: metadata.name, namespace: metadata.namespace ?? "default", service: service, addresses: addresses, ports: ports,
            location: document.location)
    }

    private func decodeSliceEndpoint(
        _ field: ConfigurationField, _ type: AddressType?, into addresses: inout [IPAddress], _ problems: inout DiagnosticList
    ) {
        let fields = MappingReader.Fields(
            ["addresses"], ignored: ResourceFields.sliceEndpoint.filter { $0 != "addresses" })
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        guard let list = reader.required("addresses", &problems) else { return }
        for element in list.elements(&problems) ?? [] {
            guard let text = element.string(&problems), type != .fqdn else { continue }
            guard let address = IPAddress(parsing: text) else {
                element.error("\"\(text)\" is no address", hint: "write 192.0.2.1 or 2001:db8::1", into: &problems)
                continue
            }
            if let type, (address.family == .v4) != (type == .ipv4) {
                element.error("\(address) does not go with addressType \(type.rawValue)", hint: "a slice has one family", into: &problems)
            }
            if !addresses.contains(address) { addresses.append(address) }
        }
    }

    /// Nil for a port that is not there: Kubernetes lets a slice leave out the number for "all ports", which no rule of ours means.
    private func decodeSlicePort(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> NamedPort? {
        let fields = MappingReader.Fields(["protocol", "port"], ignored: ["name", "appProtocol"])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return nil }
        var name = ""
        if let node = field.node.first("name"), node.kind != .null {
            name = ConfigurationField(node, path: join(field.path, "name")).string(&problems) ?? ""
        }
        let given = reader["protocol"]
        let `protocol` = given == nil ? TransportProtocol.tcp : given.flatMap { decodePortProtocol($0, &problems) }
        guard let portField = reader["port"] else {
            problems.warning(at: field.location, field: field.path, "a port without number is passed over")
            return nil
        }
        guard let port = decodePortNumber(portField, &problems), let `protocol` else { return nil }
        return NamedPort(name: name, protocol: `protocol`, port: port)
    }
}
