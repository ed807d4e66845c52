import NetworkTypes

extension ResourceDecoder {
    /// Fields that Exeat takes over, fields that are checked without effect, and a warning for each that has none.
    func decodeFelixConfiguration(
        _ metadata: Metadata, spec: ConfigurationField?, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> FelixConfiguration? {
        var felix = FelixConfiguration(name: metadata.name, location: document.location)
        if metadata.name != "default", !metadata.name.hasPrefix("node.") {
            problems.warning(
                at: metadata.nameField.location, field: metadata.nameField.path, "has no effect under this name",
                hint: "\"default\" counts for every node, \"node.NAME\" for one")
        }
        guard let spec else { return felix }
        let forms = Dictionary(uniqueKeysWithValues: (FelixFields.effective + FelixFields.checked).map { ($0.name, $0.form) })
        let known = Array(forms.keys) + FelixFields.unrelated
        let fields = MappingReader.Fields(known.sorted())
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
        for (name, field) in reader.fields {
            let errorsBefore = problems.errorCount
            if let form = forms[name] { check(field, form, &problems) }
            guard !FelixFields.effective.contains(where: { $0.name == name }), problems.errorCount == errorsBefore else { continue }
            felix.ignoredFields.append(name)
            problems.warning(at: field.location, field: field.path, "has no effect here")
        }
        felix.failsafeInboundHostPorts = reader["failsafeInboundHostPorts"].map { decodeProtoPorts($0, &problems) }
        felix.failsafeOutboundHostPorts = reader["failsafeOutboundHostPorts"].map { decodeProtoPorts($0, &problems) }
        felix.defaultEndpointToHostAction = Self.text(reader["defaultEndpointToHostAction"])
            .flatMap(FelixConfiguration.EndpointToHostAction.init(rawValue:))
        decodeDenyAction(reader, into: &felix, &problems)
        felix.dnsExtraTTLSeconds = Self.text(reader["dnsExtraTTL"]).flatMap { GoDuration(parsing: $0) }
            .map { UInt32(clamping: $0.seconds) }
        felix.dnsTrustedServers = reader["dnsTrustedServers"].map { decodeTrustedServers($0, &problems) }
        if let port = Self.text(reader["vxlanPort"]).flatMap({ UInt16($0) }) {
            felix.vxlanPort = port == 0 ? Self.kernelVXLANPort : port
        }
        return felix
    }

    /// What `vxlanPort: 0`, "the kernel default", means (Linux, `vxlan.udp_port`).
    private static let kernelVXLANPort: UInt16 = 8472

    private static func text(_ field: ConfigurationField?) -> String? {
        guard case .scalar(let text, _)? = field?.node.kind else { return nil }
        return text
    }

    private func check(_ field: ConfigurationField, _ form: FelixFields.Form, _ problems: inout DiagnosticList) {
        switch form {
        case .boolean: _ = field.boolean(&problems)
        case .integer(let range): _ = field.integer(in: range, &problems)
        case .text: _ = field.string(&problems)
        case .duration:
            let text = Self.text(field)
            if text.flatMap({ GoDuration(parsing: $0) }) == nil {
                field.error(
                    "\(text.map { "\"\($0)\"" } ?? field.node.kindName) is no duration", hint: "write 90s, 1m30s or 500ms", into: &problems)
            }
        case .choice(let choices):
            guard let text = field.string(&problems), !choices.contains(text) else { return }
            field.error(
                "\"\(text)\" is not one of \(choices.joined(separator: ", "))",
                hint: NameSuggestion.hint(for: text, among: choices) ?? "write one of these",
                into: &problems)
        case .protoPorts, .texts: break
        }
    }

    private func decodeDenyAction(_ reader: MappingReader, into felix: inout FelixConfiguration, _ problems: inout DiagnosticList) {
        let nftables = Self.text(reader["nftablesFilterDenyAction"]).flatMap(FelixConfiguration.FilterDenyAction.init(rawValue:))
        let iptables = Self.text(reader["iptablesFilterDenyAction"]).flatMap(FelixConfiguration.FilterDenyAction.init(rawValue:))
        felix.filterDenyAction = nftables ?? iptables
        if let nftables, let iptables, nftables != iptables, let field = reader["iptablesFilterDenyAction"] {
            problems.warning(
                at: field.location, field: field.path, "has no effect: nftablesFilterDenyAction is \(nftables.rawValue)")
        }
    }

    private func decodeProtoPorts(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [FelixConfiguration.FailsafePort] {
        var ports: [FelixConfiguration.FailsafePort] = []
        for element in field.elements(&problems) ?? [] {
            guard let reader = MappingReader(element, fields: MappingReader.Fields(ResourceFields.protoPort), &problems) else { continue }
            let protocolField = reader.required("protocol", &problems)
            let portField = reader.required("port", &problems)
            var net: IPPrefix?
            var isNetValid = true
            if let netField = reader["net"] {
                if case .scalar("", _) = netField.node.kind {
                    net = nil
                } else {
                    net = decodePrefix(netField, &problems)
                    isNetValid = net != nil
                }
            }
            guard let `protocol` = protocolField.flatMap({ decodePortProtocol($0, &problems) }),
                let port = portField.flatMap({ decodePortNumber($0, in: 0...65535, &problems) }), isNetValid
            else { continue }
            // Calico takes 0.0.0.0/0 for any destination, as it takes an empty text.
            if net?.length == 0 { net = nil }
            ports.append(.init(protocol: `protocol`, port: port, net: net))
        }
        return ports
    }

    /// A list of texts, or one text with commas. Each is an address with or without a port, or `k8s-service:[namespace/]name[:port]`.
    private func decodeTrustedServers(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [String] {
        var entries: [(String, ConfigurationField)] = []
        if case .sequence = field.node.kind {
            for element in field.elements(&problems) ?? [] {
                if let text = element.string(&problems) { entries.append((text, element)) }
            }
        } else if let text = field.string(&problems) {
            entries = text.split(separator: ",").map { (Self.trimmed(String($0)), field) }
        }
        return entries.compactMap { text, place in
            if Self.isTrustedServer(text) { return text }
            place.error(
                "\"\(text)\" is no server", hint: "an address, address:port, [address]:port or k8s-service:namespace/name:port",
                into: &problems)
            return nil
        }
    }

    private static func trimmed(_ text: String) -> String {
        var bytes = Array(text.utf8)[...]
        while bytes.first == 32 { bytes.removeFirst() }
        while bytes.last == 32 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isTrustedServer(_ text: String) -> Bool {
        if text.hasPrefix(ServiceReference.scheme) { return ServiceReference(parsing: text) != nil }
        if IPAddress(parsing: text) != nil { return true }
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let address = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            return IPAddress(parsing: address)?.family == .v6 && (rest.isEmpty || rest.first == ":" && isPort(rest.dropFirst()))
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && IPAddress(parsing: parts[0])?.family == .v4 && isPort(parts[1])
    }

    private static func isPort(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { (48...57).contains($0) } && (Int(text).map { (1...65535).contains($0) } ?? false)
    }
}
