import NetworkTypes

extension ResourceDecoder {
    private static let entityFieldNames = [
        "nets", "notNets", "selector", "notSelector", "namespaceSelector", "ports", "notPorts", "domains",
    ]

    private static let ruleFields = MappingReader.Fields(
        ["action", "ipVersion", "protocol", "notProtocol", "source", "destination", "metadata"],
        unsupported: ["icmp", "notICMP", "http"],
        misplaced: Dictionary(uniqueKeysWithValues: entityFieldNames.map { ($0, "belongs under source or destination") })
            .merging(["to": "the field is \"destination\"", "from": "the field is \"source\""]) { $1 })

    private static let entityFields = MappingReader.Fields(
        entityFieldNames, unsupported: ["serviceAccounts", "services"],
        misplaced: [
            "protocol": "belongs to the rule", "port": "the field is \"ports\", a list", "net": "the field is \"nets\", a list",
            "domain": "the field is \"domains\", a list", "allowedEgressDomains": "in a rule the field is \"domains\"",
        ])

    func decodeRules(_ field: ConfigurationField, _ direction: PolicyType, _ problems: inout DiagnosticList) -> [PolicyRule] {
        field.elements(&problems)?.compactMap { decodeRule($0, direction, &problems) } ?? []
    }

    /// What is checked about one rule as it is decoded: the findings about its halves need their fields.
    private struct Half {
        var entity = EntityRule.any
        var netFields: [(prefix: IPPrefix, field: ConfigurationField)] = []
        var portFields: [ConfigurationField] = []
        var domainField: ConfigurationField?
    }

    private func decodeRule(_ field: ConfigurationField, _ direction: PolicyType, _ problems: inout DiagnosticList) -> PolicyRule? {
        guard let reader = MappingReader(field, fields: Self.ruleFields, &problems) else { return nil }
        var rule = PolicyRule(action: .deny, location: field.location)
        let action = reader.required("action", &problems)?.choice(RuleAction.self, &problems)
        rule.action = action ?? .deny
        rule.ipVersion = reader["ipVersion"].flatMap { decodeVersion($0, &problems) }
        rule.protocol = reader["protocol"].flatMap { decodeProtocol($0, &problems) }
        rule.notProtocol = reader["notProtocol"].flatMap { decodeProtocol($0, &problems) }
        if let metadata = reader["metadata"],
            let metadataReader = MappingReader(metadata, fields: MappingReader.Fields(["annotations"]), &problems)
        {
            rule.annotations = metadataReader["annotations"].map { decodeAnnotations($0, &problems) } ?? [:]
        }
        let source = reader["source"].map { decodeHalf($0, &problems) } ?? Half()
        let destination = reader["destination"].map { decodeHalf($0, &problems) } ?? Half()
        rule.source = source.entity
        rule.destination = destination.entity

        checkPorts(reader, source, destination, rule, &problems)
        checkFamilies(reader, source, destination, rule, &problems)
        source.domainField?.error("domains may stand only in the destination of an egress rule", into: &problems)
        if let domainField = destination.domainField {
            if direction == .ingress {
                domainField.error("domains may stand only in the destination of an egress rule", into: &problems)
            } else if let action, action != .allow {
                domainField.error("domains may stand only in an Allow rule, this one is \(action.rawValue)", into: &problems)
            }
        }
        return rule
    }

    private func decodeVersion(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> IPFamily? {
        guard let number = field.integer(in: 0...255, &problems) else { return nil }
        guard let family = UInt8(exactly: number).flatMap({ IPFamily(rawValue: $0) }) else {
            field.error("must be 4 or 6, not \(number)", into: &problems)
            return nil
        }
        return family
    }

    private func decodeProtocol(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> TransportProtocol? {
        if case .scalar(let text, let isQuoted) = field.node.kind, !isQuoted, PlainScalarType(of: text) == .number {
            return field.integer(in: 1...255, &problems).flatMap { TransportProtocol(parsing: String($0)) }
        }
        guard let text = field.string(&problems) else { return nil }
        let names = ["TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite"]
        if names.contains(where: { $0.lowercased() == text.lowercased() }) || text.utf8.allSatisfy({ (48...57).contains($0) }),
            let found = TransportProtocol(parsing: text)
        {
            return found
        }
        field.error(
            "unknown protocol \"\(text)\"",
            hint: NameSuggestion.hint(for: text, among: names) ?? "\(names.joined(separator: ", ")) or a number from 1 to 255",
            into: &problems)
        return nil
    }

    private func decodeHalf(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Half {
        var half = Half()
        guard let reader = MappingReader(field, fields: Self.entityFields, &problems) else { return half }
        if let nets = reader["nets"] {
            half.netFields += decodeNets(nets, &problems)
            half.entity.nets = half.netFields.map(\.prefix)
            warnOfEmptyList(nets, &problems)
        }
        if let notNets = reader["notNets"] {
            let decoded = decodeNets(notNets, &problems)
            for (prefix, field) in decoded where prefix.length == 0 {
                field.error("\(prefix) excludes every address: the rule would match nothing", into: &problems)
            }
            half.netFields += decoded
            half.entity.notNets = decoded.map(\.prefix)
        }
        half.entity.selector = reader["selector"].flatMap { decodeEntitySelector($0, &problems) }
        half.entity.notSelector = reader["notSelector"].flatMap { decodeEntitySelector($0, &problems) }
        if let selectorField = reader["namespaceSelector"], let selector = decodeSelector(selectorField, &problems) {
            half.entity.namespaceSelector = selector
            if selector.mentionsGlobal, !selector.isGlobal {
                selectorField.error("global() cannot be combined with other selectors", into: &problems)
            }
        }
        for name in ["ports", "notPorts"] {
            guard let portsField = reader[name], let elements = portsField.elements(&problems) else { continue }
            let ports = elements.compactMap { decodePort($0, &problems).map(RulePort.range) }
            if name == "ports" { half.entity.ports = ports } else { half.entity.notPorts = ports }
            if !elements.isEmpty { half.portFields.append(portsField) }
            warnOfEmptyList(portsField, &problems)
        }
        if let domainField = reader["domains"] {
            half.domainField = domainField
            half.entity.domains = decodeDomains(domainField, &problems)
            for name in ["nets", "notNets", "selector", "notSelector", "namespaceSelector"] where reader[name] != nil {
                domainField.error("domains cannot stand beside \(name)", hint: "write two rules", into: &problems)
            }
        }
        return half
    }

    private func warnOfEmptyList(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard case .sequence(let nodes) = field.node.kind, nodes.isEmpty else { return }
        problems.warning(at: field.location, field: field.path, "an empty list restricts nothing", hint: "remove the field")
    }

    /// An empty text counts as absent, as in Calico.
    private func decodeEntitySelector(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Selector? {
        if case .scalar("", _) = field.node.kind { return nil }
        guard let selector = decodeSelector(field, &problems) else { return nil }
        if selector.mentionsGlobal {
            field.error("global() may stand only in the namespaceSelector of a rule", into: &problems)
        }
        return selector
    }

    /// An unquoted integer, or a text `80` or `8000:9000`.
    private func decodePort(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> PortRange? {
        guard case .scalar(let text, let isQuoted) = field.node.kind else {
            field.error("must be a port or a range of ports, not \(field.node.kindName)", into: &problems)
            return nil
        }
        let ends = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        let isNumeric = ends.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
        guard isNumeric, ends.count <= 2 else {
            let hasLetter = text.utf8.contains { !(48...57).contains($0) && $0 != UInt8(ascii: "-") }
            if isQuoted || PlainScalarType(of: text) == .text, hasLetter, ResourceNameRule.isLabel(text.lowercased()) {
                field.error("named ports are not supported yet", hint: "write the number", into: &problems)
            } else {
                field.error("\"\(text)\" is no port", hint: "write 443 or \"8000:9000\"", into: &problems)
            }
            return nil
        }
        guard let lower = Int(ends[0]), let upper = Int(ends[ends.count - 1]), (1...65535).contains(lower), (1...65535).contains(upper)
        else {
            field.error("\"\(text)\" is out of range", hint: "ports go from 1 to 65535", into: &problems)
            return nil
        }
        guard let range = PortRange(UInt16(lower), UInt16(upper)) else {
            field.error("the range \"\(text)\" begins after its end", hint: "write \"\(upper):\(lower)\"", into: &problems)
            return nil
        }
        return range
    }

    private func checkPorts(
        _ reader: MappingReader, _ source: Half, _ destination: Half, _ rule: PolicyRule, _ problems: inout DiagnosticList
    ) {
        if reader["protocol"] != nil, rule.protocol == nil { return }
        let hasPorts = [TransportProtocol.tcp, .udp, .sctp].contains { $0 == rule.protocol }
        for field in source.portFields + destination.portFields where !hasPorts {
            if let given = rule.protocol {
                field.error("the protocol \(given) has no ports", hint: "TCP, UDP and SCTP have", into: &problems)
            } else {
                field.error("ports need a protocol", hint: "add \"protocol: TCP\", UDP or SCTP to the rule", into: &problems)
            }
        }
    }

    /// One rule speaks about one family: its nets, `ipVersion` and an ICMP protocol must agree.
    private func checkFamilies(
        _ reader: MappingReader, _ source: Half, _ destination: Half, _ rule: PolicyRule, _ problems: inout DiagnosticList
    ) {
        for name in ["protocol", "notProtocol"] {
            let given = name == "protocol" ? rule.protocol : rule.notProtocol
            guard let version = rule.ipVersion, let field = reader[name] else { continue }
            if given == .icmp, version != .v4 { field.error("ICMP goes with ipVersion 4, ICMPv6 with 6", into: &problems) }
            if given == .icmpv6, version != .v6 { field.error("ICMPv6 goes with ipVersion 6, ICMP with 4", into: &problems) }
        }
        var first: IPPrefix?
        for (prefix, field) in source.netFields + destination.netFields {
            if let version = rule.ipVersion, prefix.address.family != version {
                field.error("\(prefix) does not go with ipVersion \(version.rawValue)", into: &problems)
            } else if let first, first.address.family != prefix.address.family {
                field.error(
                    "one rule cannot have IPv4 and IPv6 prefixes (\(first), \(prefix))", hint: "write two rules", into: &problems)
                return
            }
            first = first ?? prefix
        }
    }
}
