import NetworkTypes

extension ResourceDecoder {
    /// Fields of a rule that cannot be kept, without their prefix, with the reason.
    private static let refusedCiliumFields: [(name: String, reason: String, hint: String)] = [
        ("Requires", "requirements that bear on all other rules are not read", "add the labels to each endpoint selector"),
        ("Groups", "groups of a cloud provider are not known here", "list their prefixes under toCIDRSet"),
        ("Nodes", "nodes cannot be selected: Exeat does not know their labels", "list their addresses under toCIDR"),
    ]

    /// Which peers a rule may name; it may name one kind of them.
    private static let ciliumPeerFields = ["Endpoints", "CIDR", "CIDRSet", "Entities", "Services", "FQDNs"]

    /// The rules that one element of a section becomes. `{}` matches nothing: it stands for default deny alone.
    mutating func decodeCiliumRules(
        _ field: ConfigurationField, _ section: CiliumSection, _ scope: inout CiliumScope, _ problems: inout DiagnosticList
    ) -> [PolicyRule] {
        guard let reader = MappingReader(field, fields: Self.ciliumFields(of: section), &problems) else { return [] }
        refuseCiliumFields(reader, section, &problems)
        let peers = Self.ciliumPeerFields.compactMap { reader[section.prefix + $0] }
        for other in peers.dropFirst() {
            other.error(
                "cannot stand beside \(Self.lastName(peers[0].path)): a rule has one kind of peers", hint: "write two rules",
                into: &problems)
        }
        if let services = reader["toServices"], let ports = reader["toPorts"] {
            ports.error(
                "cannot stand beside \(Self.lastName(services.path))", hint: "a service brings its own ports", into: &problems)
        }
        if let icmps = reader["icmps"], reader["toPorts"] != nil {
            icmps.error("cannot stand beside toPorts", hint: "write two rules", into: &problems)
        }
        guard !peers.isEmpty || reader["toPorts"] != nil || reader["icmps"] != nil else { return [] }

        let entities = peers.isEmpty ? [EntityRule.any] : decodeCiliumEntities(reader, section, &scope, &problems)
        let ports = reader["toPorts"].map { decodeCiliumPorts($0, section, &scope, &problems) }
        let messages = reader["icmps"].map { decodeCiliumICMP($0, &problems) }
        if let ports, ports.isEmpty { return [] }
        return entities.flatMap { entity in
            var rule = PolicyRule(action: section.isDeny ? .deny : .allow, location: field.location)
            if section.direction == .egress { rule.destination = entity } else { rule.source = entity }
            if let messages {
                return messages.map { message in
                    var rule = rule
                    rule.protocol = message.protocol
                    rule.icmp = message.match
                    return rule
                }
            }
            return ports?.applied(to: rule) ?? [rule]
        }
    }

    private static func ciliumFields(of section: CiliumSection) -> MappingReader.Fields {
        var misplaced: [String: String] = [:]
        let wrong = section.direction == .egress ? "from" : "to"
        for name in ciliumPeerFields { misplaced[wrong + name] = "in \(section.rawValue) the fields begin with \"\(section.prefix)\"" }
        if section == .egressDeny {
            misplaced["toFQDNs"] =
                "Cilium denies no names; a projectcalico.org/v3 policy with the annotation \(denyDomainsAnnotation): \"true\" does"
        }
        return MappingReader.Fields(section.fields, misplaced: misplaced)
    }

    private func refuseCiliumFields(_ reader: MappingReader, _ section: CiliumSection, _ problems: inout DiagnosticList) {
        for (name, reason, hint) in Self.refusedCiliumFields {
            reader[section.prefix + name]?.error(reason, hint: hint, into: &problems)
        }
        reader["authentication"]?.error(
            "mutual authentication is not known here: the rule would allow more than it says", hint: "remove the field if that is meant",
            into: &problems)
    }

    /// The last part of a field path.
    static func lastName(_ path: String) -> String { path.split(separator: ".").last.map(String.init) ?? path }

    /// An empty list selects nothing, while an absent one selects everything: too near each other to guess.
    private func ciliumElements(
        _ field: ConfigurationField?, _ problems: inout DiagnosticList
    ) -> [ConfigurationField] {
        guard let field, let elements = field.elements(&problems) else { return [] }
        if elements.isEmpty {
            field.error("an empty list selects nothing", hint: "remove the rule, or the field if every peer is meant", into: &problems)
        }
        return elements
    }

    private mutating func decodeCiliumEntities(
        _ reader: MappingReader, _ section: CiliumSection, _ scope: inout CiliumScope, _ problems: inout DiagnosticList
    ) -> [EntityRule] {
        let prefix = section.prefix
        if let field = reader[prefix + "Endpoints"] { return decodeCiliumPeers(ciliumElements(field, &problems), scope, &problems) }
        if let field = reader[prefix + "CIDR"] {
            if section.direction == .egress { scope.outside = scope.outside ?? field }
            let nets = ciliumElements(field, &problems).compactMap { decodePrefix($0, &problems) }
            return Self.byFamily(nets).map { EntityRule(nets: $0, notSelector: .anyCiliumPod) }
        }
        if let field = reader[prefix + "CIDRSet"] {
            if section.direction == .egress { scope.outside = scope.outside ?? field }
            return decodeCiliumSets(ciliumElements(field, &problems), &problems)
        }
        if let field = reader[prefix + "Entities"] {
            return ciliumElements(field, &problems).compactMap { decodeCiliumEntity($0, section, &scope, &problems) }
        }
        if let field = reader[prefix + "Services"] { return decodeCiliumServices(field, section, &problems) }
        guard let field = reader[prefix + "FQDNs"] else { return [] }
        let patterns = ciliumElements(field, &problems).compactMap { decodeCiliumName($0, isOpening: true, &problems) }
        return patterns.isEmpty ? [] : [EntityRule(notSelector: .anyCiliumPod, domains: patterns)]
    }

    /// Prefixes without exceptions share a rule for each family; one with exceptions needs its own.
    private func decodeCiliumSets(_ elements: [ConfigurationField], _ problems: inout DiagnosticList) -> [EntityRule] {
        var plain: [IPPrefix] = []
        var others: [EntityRule] = []
        for element in elements {
            guard let reader = MappingReader(element, fields: MappingReader.Fields(ResourceFields.ciliumCIDRSet), &problems) else {
                continue
            }
            for name in ["cidrGroupRef", "cidrGroupSelector"] {
                reader[name]?.error("a CiliumCIDRGroup is not read", hint: "write the prefixes here, one element each", into: &problems)
            }
            if reader["cidr"] == nil, reader["cidrGroupRef"] != nil || reader["cidrGroupSelector"] != nil { continue }
            guard let prefix = reader.required("cidr", &problems).flatMap({ decodeCIDR($0, &problems) }) else { continue }
            var excepted: [IPPrefix] = []
            for entry in reader["except"]?.elements(&problems) ?? [] {
                guard let inner = decodeCIDR(entry, &problems) else { continue }
                guard prefix.contains(inner) else {
                    entry.error("\(inner) is no part of \(prefix)", hint: "an exception lies inside cidr", into: &problems)
                    continue
                }
                excepted.append(inner)
            }
            if excepted.isEmpty {
                plain.append(prefix)
            } else {
                others.append(EntityRule(nets: [prefix], notNets: excepted, notSelector: .anyCiliumPod))
            }
        }
        return Self.byFamily(plain).map { EntityRule(nets: $0, notSelector: .anyCiliumPod) } + others
    }

    /// `all` and what is outside the cluster; other entities are made of nodes and of pods that have no labels.
    private func decodeCiliumEntity(
        _ field: ConfigurationField, _ section: CiliumSection, _ scope: inout CiliumScope, _ problems: inout DiagnosticList
    ) -> EntityRule? {
        guard let text = field.string(&problems) else { return nil }
        switch text {
        case "all": return .any
        case "world", "world-ipv4", "world-ipv6":
            if section.direction == .egress { scope.outside = scope.outside ?? field }
            var entity = EntityRule(notSelector: .anyCiliumPod)
            if text != "world" { entity.nets = [text == "world-ipv4" ? .allOfIPv4 : .allOfIPv6] }
            return entity
        case "cluster":
            field.error(
                "the entity \"cluster\" holds nodes, which are not known here",
                hint: "toEndpoints with {key: io.kubernetes.pod.namespace, operator: Exists} means the pods of all namespaces",
                into: &problems)
        case "host", "remote-node", "kube-apiserver", "ingress", "health", "init", "unmanaged", "none":
            field.error(
                "the entity \"\(text)\" is not known here: Exeat knows the addresses of pods only",
                hint: "list the addresses under toCIDR", into: &problems)
        default:
            let known = ["all", "world", "world-ipv4", "world-ipv6"]
            field.error(
                "unknown entity \"\(text)\"",
                hint: NameSuggestion.hint(for: text, among: known) ?? "known: \(known.joined(separator: ", "))",
                into: &problems)
        }
        return nil
    }

    /// Addresses and ports that the service's slices name; in Cilium every port of these addresses, so that a denial would shrink.
    private mutating func decodeCiliumServices(
        _ field: ConfigurationField, _ section: CiliumSection, _ problems: inout DiagnosticList
    ) -> [EntityRule] {
        if section.isDeny {
            field.error(
                "services cannot be denied: only their own ports would be, where Cilium denies all ports of their addresses",
                hint: "use toEndpoints or toCIDR", into: &problems)
            return []
        }
        var entities: [EntityRule] = []
        for element in ciliumElements(field, &problems) {
            guard let reader = MappingReader(element, fields: MappingReader.Fields(ResourceFields.ciliumService), &problems) else {
                continue
            }
            reader["k8sServiceSelector"]?.error(
                "labels of services are not known here", hint: "name the service under k8sService", into: &problems)
            guard let service = reader["k8sService"] else {
                if reader["k8sServiceSelector"] == nil {
                    element.error("must have k8sService", hint: "with serviceName and namespace", into: &problems)
                }
                continue
            }
            guard let names = MappingReader(service, fields: MappingReader.Fields(ResourceFields.ciliumServiceName), &problems),
                let nameField = names.required("serviceName", &problems), let name = nameField.string(&problems)
            else { continue }
            if !ResourceNameRule.isLabel(name) {
                nameField.error("\"\(name)\" is no valid name of a service", hint: "one DNS label", into: &problems)
            }
            guard let namespaceField = names["namespace"] else {
                service.error(
                    "must name the namespace", hint: "without it Cilium means services of that name in every namespace", into: &problems)
                continue
            }
            guard let namespace = namespaceField.string(&problems) else { continue }
            if !ResourceNameRule.isLabel(namespace) {
                namespaceField.error("\"\(namespace)\" is no valid namespace", hint: "one DNS label", into: &problems)
            }
            references.namedServices.append((namespace, name, service))
            entities.append(EntityRule(services: ServiceMatch(name: name, namespace: namespace)))
        }
        return entities
    }
}

extension Selector {
    /// Whatever is a pod, for rules that mean anything else.
    fileprivate static let anyCiliumPod = Selector(root: ResourceDecoder.anyPod)
}

extension IPPrefix {
    fileprivate static let allOfIPv4 = IPPrefix(parsing: "0.0.0.0/0") ?? IPPrefix(IPAddress(v4: 0))
    fileprivate static let allOfIPv6 = IPPrefix(parsing: "::/0") ?? IPPrefix(IPAddress(v6Upper: 0, lower: 0))
}
