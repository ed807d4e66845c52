import DomainNames
import NetworkTypes
import PolicyModel

extension PolicyGenerator {
    /// What a rule may say depends on where it stands.
    struct RulePlace {
        var dialect: PatternDialect = .calico
        var deniesByName = false
        var isProfile = false
        /// Namespace of the policy.
        var namespace: String?
    }

    mutating func rule(_ place: RulePlace) -> PolicyRule {
        var action = random.pick(
            place.isProfile
                ? [RuleAction.allow, .allow, .deny, .log, .pass] : [.allow, .allow, .allow, .allow, .deny, .deny, .pass, .log])
        let family: IPFamily = random.chance(65) ? .v4 : .v6
        var rule = PolicyRule(action: action)
        if random.chance(15) { rule.ipVersion = family }
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<4: if isCrowded { rule.protocol = random.pick([.tcp, .udp]) }
        case 4, 5, 6: rule.protocol = random.pick([.tcp, .tcp, .udp, .sctp])
        case 7:
            rule.protocol = family == .v4 ? .icmp : .icmpv6
            if random.chance(60) { rule.icmp = icmp() }
            if random.chance(40) { rule.notICMP = icmp() }
        case 8: rule.notProtocol = random.pick([.tcp, .udp, .icmp, TransportProtocol(rawValue: 47)])
        default: rule.protocol = random.pick([TransportProtocol(rawValue: 47), TransportProtocol(rawValue: 4), .icmp, .udp])
        }
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1, 2:
            let names = named(place)
            (rule.destination.domains, rule.destination.urls) = (names.domains, names.urls)
            if action == .log || (action == .deny && !place.deniesByName) || (action == .pass && random.chance(60)) { action = .allow }
            rule.action = action
            if !names.urls.isEmpty {
                (rule.protocol, rule.notProtocol, rule.icmp, rule.notICMP) = (random.chance(50) ? .tcp : nil, nil, nil, nil)
            }
        case 3, 4: nets(&rule.destination, family)
        case 5, 6: selectors(&rule.destination)
        case 7:
            selectors(&rule.destination)
            nets(&rule.destination, family)
        case 8:
            if let namespace = place.namespace ?? (random.chance(50) ? random.pick(Self.namespaces) : nil) {
                rule.destination.services = ServiceMatch(
                    name: random.pick(Self.services), namespace: place.namespace == nil || random.chance(30) ? namespace : nil)
                if random.chance(70) { (rule.protocol, rule.icmp, rule.notICMP) = (nil, nil, nil) }
            }
        default: break
        }
        let mayHavePorts = [.tcp, .udp, .sctp].contains(rule.protocol) && rule.destination.services == nil
        if mayHavePorts, rule.destination.urls.isEmpty {
            if isCrowded, random.chance(80) {
                rule.destination.ports = [.range(PortRange(random.pick(Self.ports)))]
            } else if random.chance(60) {
                rule.destination.ports = ports(0...3)
            }
            if random.chance(25) { rule.destination.notPorts = ports(0...2) }
        }
        if random.chance(30) { source(&rule.source, family, mayHavePorts: [.tcp, .udp, .sctp].contains(rule.protocol)) }
        return rule
    }

    private mutating func icmp() -> ICMPMatch {
        ICMPMatch(type: random.pick([3, 8, 128]), code: random.chance(40) ? random.pick([0, 1]) : nil)
    }

    private mutating func named(_ place: RulePlace) -> (domains: [DomainPattern], urls: [DomainURL]) {
        guard place.dialect == .calico, random.chance(30) else { return (patterns(place.dialect, 1...3), []) }
        return (random.chance(30) ? patterns(.calico, 1...2) : [], urls(1...2))
    }

    private mutating func nets(_ entity: inout EntityRule, _ family: IPFamily) {
        if random.chance(75) { entity.nets = some(Self.prefixes(family), 1...3) }
        if random.chance(35) { entity.notNets = some(Self.prefixes(family).filter { $0.length > 0 }, 1...2) }
    }

    private mutating func selectors(_ entity: inout EntityRule) {
        if isCrowded, random.chance(60) {
            // Of many sets one: the address belongs to many that the rule does not want.
            entity.selector = selector(.equal("set", "set-\(Int.random(in: 0..<40, using: &random))"))
            return
        }
        if random.chance(65) { entity.selector = selector() }
        if random.chance(35) { entity.notSelector = selector() }
        if random.chance(30) { entity.namespaceSelector = namespaceSelector() }
        if random.chance(15) {
            let names = random.chance(50) ? some(Self.accounts, 1...2) : []
            entity.serviceAccounts = ServiceAccountMatch(
                names: names, selector: names.isEmpty || random.chance(30) ? accountSelector() : nil)
        }
    }

    private mutating func source(_ entity: inout EntityRule, _ family: IPFamily, mayHavePorts: Bool) {
        if random.chance(50) { selectors(&entity) }
        if random.chance(30) { nets(&entity, family) }
        if mayHavePorts, random.chance(60) { entity.ports = ports(1...3) }
        if mayHavePorts, random.chance(20) { entity.notPorts = ports(1...2) }
    }

    private mutating func ports(_ counts: ClosedRange<Int>) -> [RulePort] {
        (0..<Int.random(in: counts, using: &random)).map { _ in
            switch Int.random(in: 0..<4, using: &random) {
            case 0: return .named(random.pick(Self.portNames))
            case 1: return .range(PortRange(random.pick([0, 80, 400]), random.pick([443, 8_080, 65_535])) ?? PortRange(80))
            default: return .range(PortRange(random.pick(Self.ports)))
            }
        }
    }
}
