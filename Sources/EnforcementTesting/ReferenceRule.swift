import DomainNames
import NetworkTypes
import PolicyModel

/// One rule in its place, with what its selectors select written out.
struct ReferenceRule {
    let tier: String
    let policy: String
    /// Nil for what an exclusive policy or set implies.
    let index: Int?
    let rule: PolicyRule
    /// What the destination's selector, namespaceSelector and serviceAccounts select together; nil if it has none of them.
    var selected: [ReferenceEntity]?
    var notSelected: [ReferenceEntity] = []
    /// As `selected`, for the source's named ports.
    var sourceSelected: [ReferenceEntity]?
    /// Slices of the service that the destination names.
    var slices: [ServiceEndpoints]?
    /// Inline, of `domains` and `urls`.
    var names: [ReferenceName] = []
    /// Of the sets that are selected, where they count.
    var setNames: [ReferenceName] = []
    var notSelectedNames: [ReferenceName] = []
    /// Every endpoint, for named ports.
    var endpoints: [ReferenceEntity] = []
    var fields: ReferenceField.Set = []

    var isImplied: Bool { index == nil }

    /// Whether it can match by the names of sets: a port that is named says by itself whose address it is, so one number is needed.
    var takesNames: Bool {
        rule.destination.ports.isEmpty || rule.destination.ports.contains { if case .range = $0 { true } else { false } }
    }

    /// Whether it matters what the destination's address is.
    var asksForAddress: Bool { !rule.destination.nets.isEmpty || !names.isEmpty || selected != nil || slices != nil || !takesNames }

    /// Whether it matches every flow of the endpoints that it is for.
    var asksForNothing: Bool {
        fields.subtracting(.init(.sourceSelector, .sourceNamespaceSelector, .sourceServiceAccounts, .sourceNotSelector)).isEmpty
    }

    /// Whether it is for one port alone, that of DNS.
    var isForDNSAlone: Bool {
        let numbers = rule.destination.ports.compactMap { if case .range(let range) = $0 { range } else { nil } }
        return numbers.count == 1 && numbers[0].lower == 53 && numbers[0].upper == 53
    }

    enum Outcome {
        case matched(byAddress: Bool, patterns: Set<DomainPattern>)
        case missed(ReferenceField.Set)
    }

    /// Every criterion in turn.
    func outcome(_ flow: ReferenceFlow, _ held: [DomainName], _ vocabulary: ReferenceVocabulary) -> Outcome {
        if let field = missedByHeader(flow) { return .missed(.init(field)) }
        if !hasPort(rule.source.ports, flow.transport, flow.source, flow.sourcePort, sourceSelected) { return .missed(.init(.sourcePorts)) }
        if !rule.source.notPorts.isEmpty,
            hasPort(rule.source.notPorts, flow.transport, flow.source, flow.sourcePort, sourceSelected)
        {
            return .missed(.init(.sourceNotPorts))
        }
        if !rule.source.nets.isEmpty, !isInside(flow.source, rule.source.nets) { return .missed(.init(.sourceNets)) }
        if isInside(flow.source, rule.source.notNets) { return .missed(.init(.sourceNotNets)) }
        let destination = rule.destination
        if !destination.nets.isEmpty, !isInside(flow.destination, destination.nets) { return .missed(.init(.nets)) }
        if isInside(flow.destination, destination.notNets) { return .missed(.init(.notNets)) }
        for entity in notSelected where entity.has(flow.destination) { return .missed(.init(.notSelector)) }
        if !hits(notSelectedNames, flow, held, vocabulary).isEmpty { return .missed(.init(.notSelectorNames)) }
        if let slices, !hasService(slices, flow) { return .missed(.init(.services)) }
        var byAddress = true
        var patterns: Set<DomainPattern> = []
        if let selected {
            byAddress = selected.contains { $0.has(flow.destination) }
            patterns = hits(setNames, flow, held, vocabulary)
            if !byAddress, patterns.isEmpty {
                return .missed(fields.intersection(.init(.selector, .namespaceSelector, .serviceAccounts, .setNames)))
            }
        }
        if !names.isEmpty {
            let found = hits(names, flow, held, vocabulary)
            if found.isEmpty { return .missed(fields.intersection(.init(.domains, .urls))) }
            byAddress = false
            patterns.formUnion(found)
        }
        return .matched(byAddress: byAddress, patterns: patterns)
    }

    /// IP version, protocol, ICMP and destination ports.
    func missedByHeader(_ flow: ReferenceFlow) -> ReferenceField? {
        if let family = rule.ipVersion, family != flow.destination.family { return .ipVersion }
        if let wanted = rule.protocol, wanted != flow.transport { return .transport }
        if let unwanted = rule.notProtocol, unwanted == flow.transport { return .notTransport }
        if let icmp = rule.icmp, !Self.isSame(icmp, flow) { return .icmp }
        if let icmp = rule.notICMP, Self.isSame(icmp, flow) { return .notICMP }
        let destination = rule.destination
        if !hasPort(destination.ports, flow.transport, flow.destination, flow.destinationPort, selected) {
            return fields.contains(.namedPorts) ? .namedPorts : .ports
        }
        if !destination.notPorts.isEmpty,
            hasPort(destination.notPorts, flow.transport, flow.destination, flow.destinationPort, selected)
        {
            return fields.contains(.namedNotPorts) ? .namedNotPorts : .notPorts
        }
        return nil
    }

    private static func isSame(_ icmp: ICMPMatch, _ flow: ReferenceFlow) -> Bool {
        if let type = icmp.type, type != flow.icmpType { return false }
        if let code = icmp.code, code != flow.icmpCode { return false }
        return true
    }

    /// Numbers, ranges, and ports that an endpoint names; of the endpoints, those that the positive selector selects if there is one.
    private func hasPort(
        _ ports: [RulePort], _ transport: TransportProtocol, _ address: IPAddress, _ port: UInt16, _ selected: [ReferenceEntity]?
    ) -> Bool {
        if ports.isEmpty { return true }
        guard [.tcp, .udp, .sctp, .udpLite].contains(transport) else { return false }
        for entry in ports {
            switch entry {
            case .range(let range):
                if range.lower <= port, port <= range.upper { return true }
            case .named(let name):
                for endpoint in (selected ?? endpoints) where endpoint.kind != .set && endpoint.has(address) {
                    for named in endpoint.ports where named.name == name {
                        if named.protocol == transport, named.port == port { return true }
                    }
                }
            }
        }
        return false
    }

    private func hasService(_ slices: [ServiceEndpoints], _ flow: ReferenceFlow) -> Bool {
        for slice in slices where slice.addresses.contains(flow.destination) {
            for port in slice.ports where port.protocol == flow.transport && port.port == flow.destinationPort { return true }
        }
        return false
    }

    private func isInside(_ address: IPAddress, _ prefixes: [IPPrefix]) -> Bool {
        for prefix in prefixes where ReferenceEntity.isInside(address, prefix) { return true }
        return false
    }

    private func hits(
        _ names: [ReferenceName], _ flow: ReferenceFlow, _ held: [DomainName], _ vocabulary: ReferenceVocabulary
    ) -> Set<DomainPattern> {
        var result: Set<DomainPattern> = []
        for name in names where name.counts(for: flow) {
            for bound in held where vocabulary.matches(name.pattern, bound) { result.insert(name.pattern) }
        }
        return result
    }

    /// Whether the rule stands in a walk over the rules that name `asked`, whatever the flow will be.
    func isNamed(_ asked: DomainName, _ vocabulary: ReferenceVocabulary) -> Bool {
        for name in names + setNames where vocabulary.matches(name.pattern, asked) { return true }
        return false
    }

    /// Whether it is about the name itself: by a pattern without port, and without any other criterion.
    func isWholly(about asked: DomainName, _ vocabulary: ReferenceVocabulary) -> Bool {
        let selects = ReferenceField.Set(
            .domains, .urls, .setNames, .selector, .namespaceSelector, .serviceAccounts, .sourceSelector, .sourceNamespaceSelector,
            .sourceServiceAccounts, .sourceNotSelector)
        guard fields.subtracting(selects).isEmpty else { return false }
        for name in names + setNames where name.port == nil && vocabulary.matches(name.pattern, asked) { return true }
        return false
    }

    /// Whether it asks for names of flows of such a family, protocol and destination port. A named port beside inline names may be any, as
    /// long as nobody has said whose address it is; beside a selector it is of an endpoint, and names do not come into it.
    func wantsName(_ flow: ReferenceFlow) -> Bool {
        if let family = rule.ipVersion, family != flow.destination.family { return false }
        if let wanted = rule.protocol, wanted != flow.transport { return false }
        if let unwanted = rule.notProtocol, unwanted == flow.transport { return false }
        let (ports, notPorts) = (rule.destination.ports, rule.destination.notPorts)
        let ranges = ports.filter { if case .range = $0 { true } else { false } }
        let isAnyPort = ports.isEmpty || (!names.isEmpty && fields.contains(.namedPorts))
        if !isAnyPort, ranges.isEmpty || !hasPort(ranges, flow.transport, flow.destination, flow.destinationPort, nil) { return false }
        if !notPorts.isEmpty, hasPort(notPorts, flow.transport, flow.destination, flow.destinationPort, selected) { return false }
        return (names + setNames).contains { $0.counts(for: flow) }
    }
}
