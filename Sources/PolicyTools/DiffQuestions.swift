import DomainNames
import NetworkTypes
import PolicyModel

/// What the rules that bear on one endpoint tell apart.
struct DiffQuestions {
    var patterns: Set<DomainPattern> = []
    var nets: Set<IPPrefix> = []
    /// Of other endpoints and of services, with their names.
    var addresses: [IPAddress: String] = [:]
    var elsewhere: [IPAddress] = []
    /// The first and last of every range that a rule names.
    var ports: [TransportProtocol: Set<UInt16>] = [:]
    var icmp: [TransportProtocol: Set<ICMPMatch>] = [:]
    /// Protocols that a rule names.
    var protocols: Set<TransportProtocol> = []

    mutating func merge(_ other: DiffQuestions) {
        patterns.formUnion(other.patterns)
        nets.formUnion(other.nets)
        addresses.merge(other.addresses) { first, _ in first }
        ports.merge(other.ports) { $0.union($1) }
        icmp.merge(other.icmp) { $0.union($1) }
        protocols.formUnion(other.protocols)
        elsewhere = other.elsewhere
    }

    mutating func add(_ rule: PolicyRule, _ destination: EntityRule) {
        nets.formUnion(destination.nets + destination.notNets)
        patterns.formUnion(destination.domains + destination.urls.map(\.pattern))
        if !destination.urls.isEmpty { ports[.tcp, default: []].formUnion(destination.urls.map(\.port)) }
        for named in [rule.protocol, rule.notProtocol] { if let named { protocols.insert(named) } }
        for (match, named) in [(rule.icmp, rule.protocol), (rule.notICMP, rule.protocol)] {
            if let match, match.type != nil, let named { icmp[named, default: []].insert(match) }
        }
        let ranges = (destination.ports + destination.notPorts).compactMap { port in if case .range(let range) = port { range } else { nil }
        }
        guard !ranges.isEmpty else { return }
        let transports = rule.protocol.map { [$0] } ?? [.tcp, .udp]
        for transport in transports where transport.hasPorts {
            ports[transport, default: []].formUnion(ranges.flatMap { [$0.lower, $0.upper] })
        }
    }

    // MARK: Questions

    /// Those that nothing lists first, then names, nets, endpoints.
    func destinations(_ families: Set<IPFamily>) -> [DiffDestination] {
        var result = elsewhere.map { DiffDestination(peer: .address($0), text: "any other address (\($0))") }
        if let name = unlistedName { result.append(DiffDestination(peer: .name(name), text: "any other name (\(name))")) }
        for pattern in patterns.sorted(by: { $0.description < $1.description }) {
            result += Self.samples(pattern).map {
                DiffDestination(peer: .name($0), text: pattern.isExact ? "\($0)" : "\($0) (\(pattern))")
            }
        }
        var seen = Set(elsewhere)
        for (address, text) in netAddresses() + ownedAddresses() where !seen.contains(address) {
            seen.insert(address)
            result.append(DiffDestination(peer: .address(address), text: "\(address) (\(text))"))
        }
        return result.filter { destination in
            guard let family = destination.family else { return true }
            return families.contains(family)
        }
    }

    /// The first address of each net, and one beside it that no net holds.
    private func netAddresses() -> [(IPAddress, String)] {
        let listed = nets.filter { $0.length > 0 }
        let cover = PrefixCover(Array(listed))
        var result: [(IPAddress, String)] = []
        for net in listed.sorted() {
            result.append((net.address, "\(net)"))
            if let beside = Self.neighbours(net).first(where: { !cover.covers(IPPrefix($0)) }) { result.append((beside, "beside \(net)")) }
        }
        return result
    }

    private func ownedAddresses() -> [(IPAddress, String)] {
        addresses.keys.sorted().map { ($0, addresses[$0] ?? "") }
    }

    func probes() -> [DiffProbe] {
        var result: [DiffProbe] = []
        let transports =
            [TransportProtocol.tcp, .udp] + ports.keys.filter { $0 != .tcp && $0 != .udp }.sorted { $0.rawValue < $1.rawValue }
        for transport in transports {
            let named = ports[transport] ?? []
            result += named.sorted().map { DiffProbe(transport, port: $0) }
            // Behind the last range, before the first, or between: a port that no range begins or ends with.
            if let other = Self.otherPort(named) { result.append(DiffProbe(transport, port: other, text: "\(transport) other ports")) }
        }
        for (transport, type) in [(TransportProtocol.icmp, UInt8(8)), (.icmpv6, 128)] {
            let named = icmp[transport] ?? []
            result += named.sorted { ($0.type ?? 0, $0.code ?? 0) < ($1.type ?? 0, $1.code ?? 0) }.map { DiffProbe(transport, icmp: $0) }
            let types = Set(named.compactMap(\.type))
            if let other = ([type] + Array(0...254)).first(where: { !types.contains($0) }) {
                result.append(
                    DiffProbe(transport, icmp: ICMPMatch(type: other), text: named.isEmpty ? "\(transport)" : "\(transport) other types"))
            }
        }
        let asked = Set(result.map(\.transport))
        for transport in protocols.subtracting(asked).sorted(by: { $0.rawValue < $1.rawValue }) {
            result.append(DiffProbe(transport, port: transport.hasPorts ? 443 : nil, text: "\(transport)"))
        }
        let known = protocols.union(asked)
        if let other = (47...254).map({ TransportProtocol(rawValue: $0) }).first(where: { !known.contains($0) && !$0.hasPorts }) {
            result.append(DiffProbe(other, text: "other protocols"))
        }
        return result
    }

    private static func otherPort(_ named: Set<UInt16>) -> UInt16? {
        for candidate in [UInt16(49_151), 10_001, 7, 65_535, 2] where !named.contains(candidate) { return candidate }
        return (1...UInt16.max).first { !named.contains($0) }
    }

    /// A name of one label more than the pattern, and one of two more if it matches too.
    private static func samples(_ pattern: DomainPattern) -> [DomainName] {
        guard let first = pattern.sampleName else { return [] }
        guard !pattern.isExact, pattern.description.hasPrefix("*"), let deeper = try? DomainName(parsing: "deep.\(first)"),
            pattern.matches(deeper)
        else {
            return [first]
        }
        return [first, deeper]
    }

    private var unlistedName: DomainName? {
        for text in ["unlisted.exeat.test", "unlisted.example.invalid", "unlisted-name.exeat-diff.invalid"] {
            if let name = try? DomainName(parsing: text), !patterns.contains(where: { $0.matches(name) }) { return name }
        }
        return nil
    }

    /// The addresses right behind and right before a prefix.
    private static func neighbours(_ net: IPPrefix) -> [IPAddress] {
        switch net.address.family {
        case .v4:
            let (first, size) = (UInt64(net.address.v4), UInt64(1) << UInt64(32 - net.length))
            return [first + size, first &- 1].filter { $0 <= UInt64(UInt32.max) }.map { IPAddress(v4: UInt32($0)) }
        case .v6:
            // Only the half in which the prefix ends is counted on.
            let (upper, lower) = (net.address.upper, net.address.lower)
            if net.length <= 64 {
                let size = net.length == 0 ? 0 : UInt64(1) << UInt64(64 - net.length)
                return [upper &+ size, upper &- 1].filter { $0 != upper }.map { IPAddress(v6Upper: $0, lower: 0) }
            }
            let size = UInt64(1) << UInt64(128 - net.length)
            return [lower &+ size, lower &- 1].map { IPAddress(v6Upper: upper, lower: $0) }
        }
    }
}
