import DomainNames
import NetworkTypes

extension ResourceDecoder {
    private static let ruleFields = MappingReader.Fields(
        ResourceFields.rule,
        misplaced: Dictionary(uniqueKeysWithValues: ResourceFields.entityRule.map { ($0, "belongs under source or destination") })
            .merging(["to": "the field is \"destination\"", "from": "the field is \"source\""]) { $1 })

    private static let entityFields = MappingReader.Fields(
        ResourceFields.entityRule,
        misplaced: [
            "protocol": "belongs to the rule", "port": "the field is \"ports\", a list", "net": "the field is \"nets\", a list",
            "domain": "the field is \"domains\", a list", "allowedEgressDomains": "in a rule the field is \"domains\"",
            "service": "the field is \"services\"", "serviceAccount": "the field is \"serviceAccounts\"",
        ])

    mutating func decodeRules(
        _ field: ConfigurationField, _ direction: PolicyType, _ context: RuleContext, _ problems: inout DiagnosticList
    ) -> [PolicyRule] {
        var rules: [PolicyRule] = []
        for element in field.elements(&problems) ?? [] {
            if let rule = decodeRule(element, direction, context, &problems) { rules.append(rule) }
        }
        return rules
    }

    /// What is checked about one rule as it is decoded: the findings about its halves need their fields.
    private struct Half {
        var entity = EntityRule.any
        var reader: MappingReader?
        var netFields: [(prefix: IPPrefix, field: ConfigurationField)] = []

        subscript(name: String) -> ConfigurationField? { reader?[name] }
    }

    private mutating func decodeRule(
        _ field: ConfigurationField, _ direction: PolicyType, _ context: RuleContext, _ problems: inout DiagnosticList
    ) -> PolicyRule? {
        guard let reader = MappingReader(field, fields: Self.ruleFields, &problems) else { return nil }
        var rule = PolicyRule(action: .deny, location: field.location)
        let action = reader.required("action", &problems)?.choice(RuleAction.self, &problems)
        rule.action = action ?? .deny
        rule.ipVersion = reader["ipVersion"].flatMap { decodeVersion($0, &problems) }
        rule.protocol = reader["protocol"].flatMap { decodeProtocol($0, &problems) }
        rule.notProtocol = reader["notProtocol"].flatMap { decodeProtocol($0, &problems) }
        rule.icmp = reader["icmp"].flatMap { decodeICMP($0, &problems) }
        rule.notICMP = reader["notICMP"].flatMap { decodeICMP($0, &problems) }
        if let metadata = reader["metadata"],
            let metadataReader = MappingReader(metadata, fields: MappingReader.Fields(ResourceFields.ruleMetadata), &problems)
        {
            rule.annotations = metadataReader["annotations"].map { decodeAnnotations($0, &problems) } ?? [:]
        }
        let source = reader["source"].map { decodeHalf($0, &problems) } ?? Half()
        let destination = reader["destination"].map { decodeHalf($0, &problems) } ?? Half()
        rule.source = source.entity
        rule.destination = destination.entity

        checkICMP(reader, rule, &problems)
        checkPorts(reader, source, destination, into: &rule, &problems)
        checkFamilies(reader, source, destination, rule, &problems)
        checkServices(source, destination, direction, context, &problems)
        checkDomains(reader, source, destination, direction, action, context, &problems)
        if let http = reader["http"] { checkHTTP(http, direction, rule, isActionKnown: action != nil, &problems) }
        rememberDenial(destination, direction, rule, context)
        return rule
    }

    func decodeVersion(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> IPFamily? {
        guard let number = field.integer(in: 0...255, &problems) else { return nil }
        guard let family = UInt8(exactly: number).flatMap({ IPFamily(rawValue: $0) }) else {
            field.error("must be 4 or 6, not \(number)", hint: "leave it out for both", into: &problems)
            return nil
        }
        return family
    }

    /// A name in any case, or a number from 1 to 255.
    func decodeProtocol(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> TransportProtocol? {
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
        half.reader = reader
        if let nets = reader["nets"] {
            half.netFields += decodeNets(nets, &problems)
            half.entity.nets = half.netFields.map(\.prefix)
            warnOfEmptyList(nets, &problems)
        }
        if let notNets = reader["notNets"] {
            let decoded = decodeNets(notNets, &problems)
            for (prefix, field) in decoded where prefix.length == 0 {
                field.error("\(prefix) excludes every address: the rule would match nothing", hint: "remove the rule", into: &problems)
            }
            half.netFields += decoded
            half.entity.notNets = decoded.map(\.prefix)
            warnOfEmptyList(notNets, &problems)
        }
        half.entity.selector = reader["selector"].flatMap { decodeEntitySelector($0, &problems) }
        half.entity.notSelector = reader["notSelector"].flatMap { decodeEntitySelector($0, &problems) }
        half.entity.namespaceSelector = reader["namespaceSelector"].flatMap { decodeNamespaceSelector($0, &problems) }
        half.entity.serviceAccounts = reader["serviceAccounts"].flatMap { decodeServiceAccounts($0, &problems) }
        half.entity.services = reader["services"].flatMap { decodeServices($0, &problems) }
        half.entity.ports = reader["ports"].map { decodePorts($0, &problems) } ?? []
        half.entity.notPorts = reader["notPorts"].map { decodePorts($0, &problems) } ?? []
        if let field = reader["domains"] {
            let domains = decodeDomains(field, &problems)
            half.entity.domains = domains.patterns
            half.entity.urls = domains.urls
        }
        return half
    }

    func warnOfEmptyList(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard case .sequence(let nodes) = field.node.kind, nodes.isEmpty else { return }
        problems.warning(at: field.location, field: field.path, "an empty list restricts nothing", hint: "remove the field")
    }

    /// An empty text counts as absent, as in Calico.
    private func decodeEntitySelector(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Selector? {
        if case .scalar("", _) = field.node.kind { return nil }
        guard let selector = decodeSelector(field, &problems) else { return nil }
        refuseGlobal(selector, field, &problems)
        return selector
    }

    private func decodeNamespaceSelector(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Selector? {
        if case .scalar("", _) = field.node.kind { return nil }
        guard let selector = decodeSelector(field, &problems) else { return nil }
        if selector.mentionsGlobal, !selector.isGlobal {
            field.error("global() cannot be combined with other selectors", hint: "write it alone, or two rules", into: &problems)
        }
        return selector
    }

    private func decodeServiceAccounts(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> ServiceAccountMatch? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.serviceAccounts), &problems) else { return nil }
        var match = ServiceAccountMatch()
        for element in reader["names"]?.elements(&problems) ?? [] {
            guard let name = element.string(&problems) else { continue }
            if !ResourceNameRule.isSubdomain(name) {
                element.error(
                    "\"\(name)\" is no valid name of a service account", hint: "lower-case letters, digits, - and .", into: &problems)
            }
            match.names.append(name)
        }
        match.selector = reader["selector"].flatMap { decodeEntitySelector($0, &problems) }
        guard !match.isEmpty else {
            problems.warning(
                at: field.location, field: field.path, "names no service account: it restricts nothing", hint: "remove the field")
            return nil
        }
        return match
    }

    private func decodeServices(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> ServiceMatch? {
        let errorsBefore = problems.errorCount
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.services), &problems) else { return nil }
        var match = ServiceMatch(name: "")
        if let nameField = reader.required("name", &problems), let name = nameField.string(&problems) {
            match.name = name
            if !ResourceNameRule.isLabel(name) {
                nameField.error("\"\(name)\" is no valid name of a service", hint: "lower-case letters, digits and -", into: &problems)
            }
        }
        if let namespaceField = reader["namespace"], let namespace = namespaceField.string(&problems) {
            match.namespace = namespace
            if !ResourceNameRule.isLabel(namespace) {
                namespaceField.error("\"\(namespace)\" is no valid namespace", hint: "lower-case letters, digits and -", into: &problems)
            }
        }
        return problems.errorCount == errorsBefore ? match : nil
    }

    /// A rule with names counts as selecting nothing else, and stands where the client's lookups are known.
    private func checkDomains(
        _ reader: MappingReader, _ source: Half, _ destination: Half, _ direction: PolicyType, _ action: RuleAction?,
        _ context: RuleContext, _ problems: inout DiagnosticList
    ) {
        source["domains"]?.error(
            "domains may stand only in the destination of an egress rule", hint: Self.domainsElsewhere, into: &problems)
        guard let field = destination["domains"] else { return }
        let others = ["nets", "notNets", "selector", "notSelector", "namespaceSelector", "serviceAccounts", "services"]
        for name in others where destination[name] != nil {
            field.error("domains cannot stand beside \(name)", hint: "write two rules", into: &problems)
        }
        if direction == .ingress {
            field.error("domains may stand only in the destination of an egress rule", hint: Self.domainsElsewhere, into: &problems)
        } else if let action, action != .allow, !(action == .deny && context.deniesByName) {
            field.error(
                "domains may stand only in an Allow rule, this one is \(action.rawValue)",
                hint: action == .deny
                    ? "annotate the policy with \(Self.denyDomainsAnnotation): \"true\" to deny by name"
                    : "allow by name, or select by address",
                into: &problems)
        }
        guard !destination.entity.urls.isEmpty else { return }
        for name in ["ports", "notPorts"] where destination[name] != nil {
            destination[name]?.error(
                "\(name) cannot stand beside a URL, which names its port", hint: "write the host alone, or two rules", into: &problems)
        }
        if let given = reader["protocol"], let text = Self.scalarText(given), TransportProtocol(parsing: text) != .tcp {
            given.error("a URL is for TCP", hint: "write the host alone, or remove the protocol", into: &problems)
        }
    }

    private static let domainsElsewhere = "nobody looks up where a flow comes from: select by nets or labels"

    private static func scalarText(_ field: ConfigurationField) -> String? {
        guard case .scalar(let text, _) = field.node.kind else { return nil }
        return text
    }

    /// For the check against sets with names, which needs all resources.
    private mutating func rememberDenial(_ destination: Half, _ direction: PolicyType, _ rule: PolicyRule, _ context: RuleContext) {
        guard direction == .egress, rule.action == .deny, !context.deniesByName,
            let selector = destination.entity.effectiveSelector(policyNamespace: context.namespace),
            let field = destination["selector"] ?? destination["namespaceSelector"]
        else { return }
        references.denials.append(.init(selector: selector, field: field))
    }

    /// Services stand in the destination for egress and the source for ingress, and say everything about that half.
    private mutating func checkServices(
        _ source: Half, _ destination: Half, _ direction: PolicyType, _ context: RuleContext, _ problems: inout DiagnosticList
    ) {
        let (right, wrong) = direction == .egress ? (destination, source) : (source, destination)
        wrong["services"]?.error(
            "services may stand only in the \(direction == .egress ? "destination" : "source") of an \(direction.rawValue.lowercased()) rule",
            hint: "select by labels, or write it there", into: &problems)
        guard let field = right["services"], let match = right.entity.services else { return }
        var others = ["nets", "notNets", "selector", "notSelector", "namespaceSelector", "serviceAccounts"]
        if direction == .egress { others += ["ports", "notPorts"] }
        for name in others where right[name] != nil {
            field.error("services cannot stand beside \(name)", hint: "addresses and ports are those of the service", into: &problems)
        }
        guard let namespace = match.namespace ?? context.namespace else {
            field.error("a policy without namespace must name that of the service", hint: "add \"namespace\"", into: &problems)
            return
        }
        references.namedServices.append((namespace, match.name, field))
    }

    /// One rule speaks about one family: its nets, `ipVersion` and an ICMP protocol must agree.
    private func checkFamilies(
        _ reader: MappingReader, _ source: Half, _ destination: Half, _ rule: PolicyRule, _ problems: inout DiagnosticList
    ) {
        for name in ["protocol", "notProtocol"] {
            let given = name == "protocol" ? rule.protocol : rule.notProtocol
            guard let version = rule.ipVersion, let field = reader[name] else { continue }
            if given == .icmp, version != .v4 {
                field.error("ICMP goes with ipVersion 4, ICMPv6 with 6", hint: "remove ipVersion", into: &problems)
            }
            if given == .icmpv6, version != .v6 {
                field.error("ICMPv6 goes with ipVersion 6, ICMP with 4", hint: "remove ipVersion", into: &problems)
            }
        }
        var first: IPPrefix?
        for (prefix, field) in source.netFields + destination.netFields {
            if let version = rule.ipVersion, prefix.address.family != version {
                field.error("\(prefix) does not go with ipVersion \(version.rawValue)", hint: "write two rules", into: &problems)
            } else if let first, first.address.family != prefix.address.family {
                field.error(
                    "one rule cannot have IPv4 and IPv6 prefixes (\(first), \(prefix))", hint: "write two rules", into: &problems)
                return
            }
            first = first ?? prefix
        }
    }

    /// Ports need a protocol that has them. Without one, named ports are TCP ports, as in Calico.
    private func checkPorts(
        _ reader: MappingReader, _ source: Half, _ destination: Half, into rule: inout PolicyRule, _ problems: inout DiagnosticList
    ) {
        if reader["protocol"] != nil, rule.protocol == nil { return }
        if let given = rule.protocol, [TransportProtocol.tcp, .udp, .sctp].contains(given) { return }
        var namesPorts = false
        for half in [source, destination] {
            for name in ["ports", "notPorts"] {
                guard let field = half[name], case .sequence(let nodes) = field.node.kind, !nodes.isEmpty else { continue }
                if let given = rule.protocol {
                    field.error("the protocol \(given) has no ports", hint: "TCP, UDP and SCTP have", into: &problems)
                } else if name == "ports", half.entity.ports.count == nodes.count, half.entity.ports.allSatisfy(\.isNamed) {
                    namesPorts = true
                    problems.warning(
                        at: field.location, field: field.path, "named ports without a protocol are those of TCP",
                        hint: "add \"protocol: TCP\" to the rule")
                } else {
                    field.error("ports need a protocol", hint: "add \"protocol: TCP\", UDP or SCTP to the rule", into: &problems)
                }
            }
        }
        if namesPorts { rule.protocol = .tcp }
    }
}
