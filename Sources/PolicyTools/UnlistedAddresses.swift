import NetworkTypes
import PolicyModel

/// Addresses of the documentation and benchmark prefixes (RFC 5737, RFC 2544, RFC 3849) that nothing in a set of resources lists, other
/// than by a prefix that holds everything: they stand for "any other address".
struct UnlistedAddresses {
    /// If everything is listed, the first candidate.
    let first: (v4: IPAddress, v6: IPAddress)

    init(_ sets: ResourceSet...) {
        let owned = Set(
            sets.flatMap {
                $0.endpoints.flatMap(\.addresses) + $0.hostEndpoints.flatMap(\.expectedIPs) + $0.serviceEndpoints.flatMap(\.addresses)
            })
        let listed = Set(sets.flatMap(Self.nets)).filter { $0.length > 0 }
        func choice(_ candidates: [IPAddress]) -> IPAddress {
            var open = candidates.filter { !owned.contains($0) }
            for net in listed { open.removeAll { net.contains($0) } }
            return open.first ?? candidates[0]
        }
        let networks: [UInt32] = [0xc000_0200, 0xc633_6400, 0xcb00_7100, 0xc612_0000, 0xc613_0000]
        let hosts: [UInt32] = [1, 77, 141, 205, 254]
        first = (
            v4: choice(networks.flatMap { network in hosts.map { IPAddress(v4: network + $0) } }),
            v6: choice(
                (0..<4).flatMap { net in hosts.map { IPAddress(v6Upper: 0x2001_0db8_0000_0000 + UInt64(net) << 16, lower: UInt64($0)) } })
        )
    }

    private static func nets(of resources: ResourceSet) -> [IPPrefix] {
        let rules = resources.policies.flatMap { $0.egress + $0.ingress } + resources.profiles.flatMap { $0.egress + $0.ingress }
        return resources.networkSets.flatMap(\.nets)
            + rules.flatMap { $0.destination.nets + $0.destination.notNets + $0.source.nets + $0.source.notNets }
    }
}
