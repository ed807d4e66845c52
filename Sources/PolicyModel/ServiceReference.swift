import NetworkTypes

/// A service of Kubernetes whose servers are meant, as Calico writes it: `k8s-service:[NAMESPACE/]NAME[:PORT]`, by default in `kube-system`.
public struct ServiceReference: Sendable, Hashable, CustomStringConvertible {
    public static let scheme = "k8s-service:"

    public let namespace: String
    public let name: String
    /// On which its servers are asked; nil: that of their EndpointSlice.
    public let port: UInt16?

    public init?(parsing text: String) {
        guard text.hasPrefix(Self.scheme) else { return nil }
        let parts = text.dropFirst(Self.scheme.count).split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(parts[1]), number > 0 else { return nil }
            port = number
        } else {
            port = nil
        }
        let names = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard names.count <= 2, let last = names.last, names.allSatisfy(ResourceNameRule.isLabel) else { return nil }
        namespace = names.count == 2 ? names[0] : "kube-system"
        name = last
    }

    public var description: String { "\(Self.scheme)\(namespace)/\(name)" + (port.map { ":\($0)" } ?? "") }

    /// Where it is asked for DNS: every address of its slices, on the port for UDP that is named `dns`, else the only one for UDP, else 53. In the order of
    /// the slices' names, each once.
    public func servers(in slices: [ServiceEndpoints]) -> [(address: IPAddress, port: UInt16)] {
        var servers: [(address: IPAddress, port: UInt16)] = []
        for slice in slices.sorted(by: { $0.name < $1.name }) where slice.service == name && slice.namespace == namespace {
            let ports = slice.ports.filter { $0.protocol == .udp }
            let own = ports.first { $0.name == "dns" } ?? (ports.count == 1 ? ports[0] : nil)
            let port = port ?? own?.port ?? 53
            for address in slice.addresses where !servers.contains(where: { $0 == (address, port) }) { servers.append((address, port)) }
        }
        return servers
    }
}
