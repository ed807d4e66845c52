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
            guard let reader = MappingReader(spec, fields: MappingReader.Fields(ResourceFields.tier), &problems) else { return nil }
            orderField = reader["order"]
            actionField = reader["defaultAction"]
            tier.order = orderField?.number(&problems)
            tier.defaultAction = actionField?.choice(Tier.DefaultAction.self, &problems) ?? .deny
        }
        if let fixed = Tier.reserved[metadata.name] {
            if tier.order != fixed.order {
                (orderField ?? metadata.nameField).error(
                    "the tier \"\(metadata.name)\" must have the order \(Int(fixed.order))",
                    hint: "Calico fixes it: write that, or leave the tier out", into: &problems)
            }
            if tier.defaultAction != fixed.defaultAction {
                (actionField ?? metadata.nameField).error(
                    "the tier \"\(metadata.name)\" must have the default action \(fixed.defaultAction.rawValue)",
                    hint: "Calico fixes it: write that, or leave the tier out", into: &problems)
            }
        }
        return tier
    }

    func decodeNetworkSet(
        _ metadata: Metadata, spec: ConfigurationField?, kind: ResourceKind, _ document: ConfigurationField,
        _ problems: inout DiagnosticList
    ) -> NetworkSet? {
        var set = NetworkSet(
            name: metadata.name, kind: kind, namespace: metadata.namespace, labels: metadata.labels, isExclusive: metadata.isExclusive,
            location: document.location)
        guard let spec else { return set }
        let fields = MappingReader.Fields(
            ResourceFields.networkSet, misplaced: ["domains": "in a network set the field is \"allowedEgressDomains\""])
        guard let reader = MappingReader(spec, fields: fields, &problems) else { return nil }
        set.nets = reader["nets"].map { decodeNets($0, &problems).map(\.prefix) } ?? []
        let domains = reader["allowedEgressDomains"].map { decodeDomains($0, &problems) } ?? Domains()
        set.allowedEgressDomains = domains.patterns
        set.allowedEgressURLs = domains.urls
        return set
    }

    mutating func decodeProfile(
        _ metadata: Metadata, spec: ConfigurationField?, _ document: ConfigurationField, _ problems: inout DiagnosticList
    ) -> Profile? {
        var profile = Profile(name: metadata.name, location: document.location)
        guard let spec else { return profile }
        guard let reader = MappingReader(spec, fields: MappingReader.Fields(ResourceFields.profile), &problems) else { return nil }
        profile.labelsToApply = reader["labelsToApply"].map { decodeLabels($0, &problems) } ?? [:]
        let context = RuleContext(namespace: nil, deniesByName: false)
        profile.ingress = reader["ingress"].map { decodeRules($0, .ingress, context, &problems) } ?? []
        profile.egress = reader["egress"].map { decodeRules($0, .egress, context, &problems) } ?? []
        return profile
    }

    /// Names of profiles, which are checked when all resources are known. Each may stand once.
    mutating func decodeProfileNames(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [String] {
        var names: [String] = []
        for element in field.elements(&problems) ?? [] {
            guard let name = element.string(&problems) else { continue }
            if !ResourceNameRule.isSubdomain(name) {
                element.error(
                    "\"\(name)\" is no valid name of a profile", hint: "lower-case letters, digits, - and . (RFC 1123)", into: &problems)
            } else if names.contains(name) {
                element.error("\(name) is here twice", hint: "remove one", into: &problems)
            } else {
                names.append(name)
                references.namedProfiles.append((name, element))
            }
        }
        return names
    }

    /// Prefixes with the field that each came from. Host bits are cleared, with a warning.
    func decodeNets(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [(prefix: IPPrefix, field: ConfigurationField)] {
        var nets: [(prefix: IPPrefix, field: ConfigurationField)] = []
        for element in field.elements(&problems) ?? [] {
            if let prefix = decodePrefix(element, &problems) { nets.append((prefix, element)) }
        }
        return nets
    }

    /// One address or prefix.
    func decodePrefix(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> IPPrefix? {
        guard let text = field.string(&problems) else { return nil }
        guard let prefix = IPPrefix(parsing: text) else {
            field.error("\"\(text)\" is no address or prefix", hint: "write 192.0.2.0/24 or 2001:db8::/32", into: &problems)
            return nil
        }
        let given = text.split(separator: "/").first.flatMap { IPAddress(parsing: $0) }
        if given != prefix.address {
            problems.warning(at: field.location, field: field.path, "\"\(text)\" has host bits, read as \(prefix)")
        }
        return prefix
    }
}
