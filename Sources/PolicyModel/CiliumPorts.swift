import NetworkTypes

extension ResourceDecoder {
    /// So many ports or ICMP types in one list.
    private static let ciliumPortsMax = 40

    /// Fields of `toPorts` beside ports and DNS rules, all about what is inside a connection.
    private static let refusedCiliumPortFields: [(name: String, reason: String, hint: String)] = [
        ("serverNames", "server names of TLS are not matched by rules", "name the hosts under toFQDNs, in a rule of their own"),
        ("terminatingTLS", "TLS is not opened here", "remove the field"),
        ("originatingTLS", "TLS is not opened here", "remove the field"),
        ("listener", "there is no proxy here that traffic could be sent to", "remove the field"),
    ]

    /// All elements of `toPorts`, which are alternatives.
    func decodeCiliumPorts(
        _ field: ConfigurationField, _ section: CiliumSection, _ scope: inout CiliumScope, _ problems: inout DiagnosticList
    ) -> KubernetesPortGroups {
        var groups = KubernetesPortGroups()
        guard let elements = field.elements(&problems) else { return groups }
        if elements.isEmpty {
            field.error("an empty list selects nothing", hint: "remove the field if every port is meant", into: &problems)
        }
        let fields = MappingReader.Fields(
            section.isDeny ? ["ports"] : ResourceFields.ciliumPortRule,
            misplaced: [
                "port": "belongs into the list \"ports\"", "protocol": "belongs into the list \"ports\"",
                "rules": "a denial looks at ports only",
            ])
        for element in elements {
            guard let reader = MappingReader(element, fields: fields, &problems) else { continue }
            for (name, reason, hint) in Self.refusedCiliumPortFields { reader[name]?.error(reason, hint: hint, into: &problems) }
            if let rules = reader["rules"] { decodeCiliumLayer7(rules, section, &scope, &problems) }
            guard let portsField = reader.required("ports", &problems), let ports = portsField.elements(&problems) else { continue }
            if ports.isEmpty { portsField.error("must not be empty", hint: "name the ports", into: &problems) }
            if ports.count > Self.ciliumPortsMax {
                portsField.error(
                    "has \(ports.count) ports, \(Self.ciliumPortsMax) are allowed", hint: "write a further element of toPorts",
                    into: &problems)
            }
            for port in ports { decodeCiliumPort(port, into: &groups, &problems) }
        }
        return groups
    }

    private func decodeCiliumPort(_ field: ConfigurationField, into groups: inout KubernetesPortGroups, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.ciliumPort), &problems) else { return }
        let protocols = decodeCiliumProtocols(reader["protocol"], &problems)
        guard let portField = reader.required("port", &problems), let text = portField.string(&problems), let protocols else { return }
        let end = reader["endPort"]
        if ResourceNameRule.isServiceName(text.lowercased()) {
            end?.error("goes with a port number, not with a name", hint: "remove the field", into: &problems)
            for found in protocols { groups.add(found, .named(text.lowercased())) }
            return
        }
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(text) else {
            portField.error(
                "\"\(text)\" is no port", hint: "write \"443\", with endPort for a range, or the name of a port", into: &problems)
            return
        }
        if number == 0 {
            end?.error("cannot stand beside port 0, which means all ports", hint: "remove the field", into: &problems)
            if protocols.count > 1 {
                portField.error(
                    "port 0 of any protocol says no more than no toPorts at all", hint: "name a protocol, or remove toPorts",
                    into: &problems)
                return
            }
            for found in protocols { groups.add(found, nil) }
            return
        }
        guard let port = decodePortRange(from: number, end: end, &problems) else { return }
        for found in protocols { groups.add(found, port) }
    }

    /// Absent or `ANY`: each that has ports.
    private func decodeCiliumProtocols(_ field: ConfigurationField?, _ problems: inout DiagnosticList) -> [TransportProtocol]? {
        guard let field else { return KubernetesProtocol.allCases.map(\.transport) }
        guard let text = field.string(&problems) else { return nil }
        let upper = text.uppercased()
        if upper.isEmpty || upper == "ANY" { return KubernetesProtocol.allCases.map(\.transport) }
        if let found = KubernetesProtocol(rawValue: upper) { return [found.transport] }
        let names = KubernetesProtocol.allCases.map(\.rawValue) + ["ANY"]
        var hint = NameSuggestion.hint(for: text, among: names) ?? "known: \(names.joined(separator: ", "))"
        if upper.hasPrefix("ICMP") { hint = "messages of ICMP stand under \"icmps\"" }
        field.error("\"\(text)\" is no protocol with ports", hint: hint, into: &problems)
        return nil
    }

    /// `rules`: those for DNS say what may be asked for, all others are refused.
    private func decodeCiliumLayer7(
        _ field: ConfigurationField, _ section: CiliumSection, _ scope: inout CiliumScope, _ problems: inout DiagnosticList
    ) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.ciliumLayer7), &problems) else { return }
        for name in ["http", "kafka", "l7", "l7proto"] {
            reader[name]?.error(
                "requests cannot be matched: a verdict is given on the first packet, before there is a request",
                hint: "the rule would allow more than it says; remove it if that is meant", into: &problems)
        }
        guard let queries = reader["dns"] else { return }
        guard section.direction == .egress else {
            queries.error("may stand only in egress", hint: "remove it", into: &problems)
            return
        }
        guard let elements = queries.elements(&problems) else { return }
        if elements.isEmpty { queries.error("an empty list allows no query", hint: "remove it", into: &problems) }
        scope.queries = (scope.queries ?? []) + elements.compactMap { decodeCiliumName($0, isOpening: false, &problems) }
    }

    /// `icmps`: lists of types, by number or name.
    func decodeCiliumICMP(
        _ field: ConfigurationField, _ problems: inout DiagnosticList
    ) -> [(protocol: TransportProtocol, match: ICMPMatch)] {
        var messages: [(protocol: TransportProtocol, match: ICMPMatch)] = []
        guard let elements = field.elements(&problems) else { return [] }
        if elements.isEmpty { field.error("an empty list selects nothing", hint: "remove the field", into: &problems) }
        for element in elements {
            guard let reader = MappingReader(element, fields: MappingReader.Fields(ResourceFields.ciliumICMP), &problems),
                let list = reader.required("fields", &problems), let entries = list.elements(&problems)
            else { continue }
            if entries.isEmpty { list.error("must not be empty", hint: "name the types", into: &problems) }
            if entries.count > Self.ciliumPortsMax {
                list.error(
                    "has \(entries.count) types, \(Self.ciliumPortsMax) are allowed", hint: "write a further element of icmps",
                    into: &problems)
            }
            for entry in entries {
                if let message = decodeCiliumMessage(entry, &problems) { messages.append(message) }
            }
        }
        return messages
    }

    private enum CiliumFamily: String, CaseIterable {
        case v4 = "IPv4"
        case v6 = "IPv6"
    }

    private func decodeCiliumMessage(
        _ field: ConfigurationField, _ problems: inout DiagnosticList
    ) -> (protocol: TransportProtocol, match: ICMPMatch)? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.ciliumICMPField), &problems) else { return nil }
        let family = reader["family"].map { $0.choice(CiliumFamily.self, &problems) } ?? .v4
        guard let typeField = reader.required("type", &problems), let family else { return nil }
        let type: UInt8
        if case .scalar(let text, let isQuoted) = typeField.node.kind, isQuoted || PlainScalarType(of: text) == .text {
            let names = family == .v4 ? Self.icmpTypes : Self.icmpv6Types
            guard let found = names[text] ?? UInt8(text) else {
                typeField.error(
                    "unknown type \"\(text)\" of \(family.rawValue)",
                    hint: NameSuggestion.hint(for: text, among: names.keys.sorted())
                        ?? "a number from 0 to 255, or a name such as EchoRequest",
                    into: &problems)
                return nil
            }
            type = found
        } else {
            guard let number = typeField.integer(in: 0...255, &problems) else { return nil }
            type = UInt8(truncatingIfNeeded: number)
        }
        return (family == .v4 ? .icmp : .icmpv6, ICMPMatch(type: type))
    }

    /// Cilium's names of ICMP types (IANA "ICMP Type Numbers").
    private static let icmpTypes: [String: UInt8] = [
        "EchoReply": 0, "DestinationUnreachable": 3, "Redirect": 5, "Echo": 8, "EchoRequest": 8, "RouterAdvertisement": 9,
        "RouterSelection": 10, "TimeExceeded": 11, "ParameterProblem": 12, "Timestamp": 13, "TimestampReply": 14, "Photuris": 40,
        "ExtendedEchoRequest": 42, "ExtendedEchoReply": 43,
    ]

    /// And of ICMPv6 types (IANA "ICMPv6 type Numbers").
    private static let icmpv6Types: [String: UInt8] = [
        "DestinationUnreachable": 1, "PacketTooBig": 2, "TimeExceeded": 3, "ParameterProblem": 4, "EchoRequest": 128, "EchoReply": 129,
        "MulticastListenerQuery": 130, "MulticastListenerReport": 131, "MulticastListenerDone": 132, "RouterSolicitation": 133,
        "RouterAdvertisement": 134, "NeighborSolicitation": 135, "NeighborAdvertisement": 136, "RedirectMessage": 137,
        "RouterRenumbering": 138, "ICMPNodeInformationQuery": 139, "ICMPNodeInformationResponse": 140,
        "InverseNeighborDiscoverySolicitation": 141, "InverseNeighborDiscoveryAdvertisement": 142,
        "HomeAgentAddressDiscoveryRequest": 144, "HomeAgentAddressDiscoveryReply": 145, "MobilePrefixSolicitation": 146,
        "MobilePrefixAdvertisement": 147, "DuplicateAddressRequestCodeSuffix": 157, "DuplicateAddressConfirmationCodeSuffix": 158,
        "ExtendedEchoRequest": 160, "ExtendedEchoReply": 161,
    ]
}
