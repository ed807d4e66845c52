import NetworkTypes
import PolicyModel

/// An endpoint that a test file declares by what tests ask for; interface and, unless given, address are made up.
public struct InlineEndpoint: Sendable {
    public var namespace: String
    public var name: String
    public var labels: [String: String] = [:]
    public var serviceAccount: String?
    public var profiles: [String] = []
    public var addresses: [IPAddress] = []
    public var location: SourceLocation
}

extension ResourceSet {
    /// With these endpoints as workloads. An endpoint or address that is there already is an error.
    public func adding(_ inline: [InlineEndpoint], _ problems: inout DiagnosticList) -> ResourceSet {
        var result = self
        var known = Set(endpoints.map { "\($0.namespace)/\($0.name)" })
        var taken = Set(endpoints.flatMap(\.addresses) + hostEndpoints.flatMap(\.expectedIPs))
        for (place, endpoint) in inline.enumerated() {
            guard known.insert("\(endpoint.namespace)/\(endpoint.name)").inserted else {
                problems.error(
                    at: endpoint.location, field: "endpoints[\(place)]",
                    "the endpoint \(endpoint.namespace)/\(endpoint.name) is there already")
                continue
            }
            for address in endpoint.addresses where !taken.insert(address).inserted {
                problems.error(
                    at: endpoint.location, field: "endpoints[\(place)].address",
                    "the address \(address) already belongs to another endpoint")
            }
        }
        // RFC 2544: addresses that no network uses.
        var next = IPAddress(v4: 0xc612_0001).v4
        for (place, endpoint) in inline.enumerated() {
            var addresses = endpoint.addresses
            while addresses.isEmpty {
                if taken.insert(IPAddress(v4: next)).inserted { addresses = [IPAddress(v4: next)] }
                next += 1
            }
            result.endpoints.append(
                WorkloadEndpoint(
                    name: endpoint.name, namespace: endpoint.namespace, labels: endpoint.labels, addresses: addresses,
                    interfaceName: "test\(place)", serviceAccount: endpoint.serviceAccount, profiles: endpoint.profiles,
                    location: endpoint.location))
        }
        return result
    }
}
