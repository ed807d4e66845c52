import DomainNames
import NetworkTypes
import PolicyModel

extension PolicyGenerator {
    /// A flow of one of `addresses`, and the names under which its destination is held. Half of the flows are aimed at something that the
    /// resources name.
    public mutating func probe(from addresses: [IPAddress], in world: [Resource]) -> (flow: ReferenceFlow, held: [DomainName]) {
        let source = random.pick(addresses)
        let known = random.chance(75) ? Self.outsideAddresses : Self.endpointAddresses
        let destination = random.pick(known.filter { $0.family == source.family })
        var flow = ReferenceFlow(source: source, destination: destination, transport: .tcp)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<10: break
        case 10..<15: flow.transport = .udp
        case 15: flow.transport = .sctp
        case 16, 17: flow.transport = source.family == .v4 ? .icmp : .icmpv6
        case 18: flow.transport = TransportProtocol(rawValue: 47)
        default: flow.transport = TransportProtocol(rawValue: random.pick([4, 132, 6]))
        }
        flow.destinationPort = random.pick(Self.ports + [443, 80, 179, 1_000])
        flow.sourcePort = random.pick([80, 443, 40_000, 40_001, 53])
        flow.icmpType = random.pick([0, 3, 8, 128])
        flow.icmpCode = random.pick([0, 0, 1])
        if random.chance(50), !world.isEmpty {
            aim(&flow, at: random.pick(world))
            if random.chance(30) { leave(&flow, in: world) }
        }
        if flow.transport == .icmp || flow.transport == .icmpv6 {
            (flow.sourcePort, flow.destinationPort) = (0, 0)
        } else {
            (flow.icmpType, flow.icmpCode) = (0, 0)
        }
        if flow.transport.rawValue == 4 || flow.transport.rawValue == 47 { (flow.sourcePort, flow.destinationPort) = (0, 0) }
        return (flow, random.chance(40) ? [] : some(Self.names, 1...3))
    }

    /// From a port that the source names, over its protocol.
    private mutating func leave(_ flow: inout ReferenceFlow, in world: [Resource]) {
        for resource in world {
            switch resource {
            case .workloadEndpoint(let endpoint) where endpoint.addresses.contains(flow.source):
                for port in endpoint.ports where port.protocol == flow.transport { flow.sourcePort = port.port }
            case .hostEndpoint(let endpoint) where endpoint.expectedIPs.contains(flow.source):
                for port in endpoint.ports where port.protocol == flow.transport { flow.sourcePort = port.port }
            default: break
            }
        }
    }

    private mutating func aim(_ flow: inout ReferenceFlow, at resource: Resource) {
        switch resource {
        case .policy(let policy) where !policy.egress.isEmpty: aim(&flow, at: random.pick(policy.egress))
        case .profile(let profile) where !profile.egress.isEmpty: aim(&flow, at: random.pick(profile.egress))
        case .workloadEndpoint(let endpoint): aim(&flow, at: endpoint.addresses, endpoint.ports)
        case .hostEndpoint(let endpoint): aim(&flow, at: endpoint.expectedIPs, endpoint.ports)
        case .serviceEndpoints(let slice): aim(&flow, at: slice.addresses, slice.ports)
        case .networkSet(let set):
            let inside = (Self.outsideAddresses + Self.endpointAddresses).filter { address in set.nets.contains { $0.contains(address) } }
            aim(&flow, at: inside, [])
        default: break
        }
    }

    private mutating func aim(_ flow: inout ReferenceFlow, at addresses: [IPAddress], _ ports: [NamedPort]) {
        let reachable = addresses.filter { $0.family == flow.source.family }
        if !reachable.isEmpty { flow.destination = random.pick(reachable) }
        guard !ports.isEmpty else { return }
        let port = random.pick(ports)
        (flow.transport, flow.destinationPort) = (port.protocol, port.port)
        // The same port of an endpoint may be what a rule says of the source.
        if random.chance(30) { flow.sourcePort = port.port }
    }

    private mutating func aim(_ flow: inout ReferenceFlow, at rule: PolicyRule) {
        if let wanted = rule.protocol { flow.transport = wanted }
        if let icmp = random.chance(50) ? rule.icmp : rule.notICMP {
            flow.icmpType = icmp.type ?? flow.icmpType
            flow.icmpCode = icmp.code ?? flow.icmpCode
        }
        let destination = rule.destination
        for case .range(let range) in (random.chance(70) ? destination.ports : destination.notPorts) {
            flow.destinationPort = random.pick([range.lower, range.upper])
        }
        for case .range(let range) in rule.source.ports { flow.sourcePort = range.lower }
        if let url = destination.urls.first { (flow.transport, flow.destinationPort) = (.tcp, url.port) }
        let inside = (Self.outsideAddresses + Self.endpointAddresses).filter { address in
            address.family == flow.source.family && destination.nets.contains { $0.contains(address) }
        }
        if !inside.isEmpty { flow.destination = random.pick(inside) }
    }
}
