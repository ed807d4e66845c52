import CLinux
import Glibc
import NetworkTypes
import PolicyModel

/// The addresses of this node's own interfaces, by which its host endpoints are known.
struct HostAddresses: Equatable {
    private var byInterface: [String: [IPAddress]] = [:]

    /// Those of now (getifaddrs(3)); without loopback and link-local ones, which no policy is about.
    static func current() throws(DaemonError) -> HostAddresses {
        var result = HostAddresses()
        for (name, address) in try everyAddress() where !isLocal(address) { result.byInterface[name, default: []].append(address) }
        return result
    }

    /// All of this network namespace, with the interfaces that they are on.
    static func everyAddress() throws(DaemonError) -> [(interface: String, address: IPAddress)] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&first) == 0 else { throw DaemonError("cannot list the addresses of this node", code: errno) }
        defer { unsafe freeifaddrs(first) }
        var result: [(interface: String, address: IPAddress)] = []
        var next = unsafe first
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            guard let address = unsafe address(entry.pointee.ifa_addr) else { continue }
            result.append((unsafe String(cString: entry.pointee.ifa_name), address))
        }
        return result
    }

    /// The resources with what `interfaceName` of this node's host endpoints stands for. Those of `"*"` have every address; `resolver`:
    /// addresses that the node asks itself from, and that no other endpoint has. They are those of `"*"` too, or of the node's only host endpoint: among several
    /// nothing tells for which of them a process asks.
    func complete(_ resources: ResourceSet, resolver: [IPAddress], isLocal: (String?) -> Bool) -> ResourceSet {
        guard !resources.hostEndpoints.isEmpty else { return resources }
        var taken = Set(resources.endpoints.flatMap(\.addresses) + resources.hostEndpoints.flatMap(\.expectedIPs))
        var completed = resources
        // One interface goes before all of them.
        let order = completed.hostEndpoints.indices.sorted { left, right in
            (completed.hostEndpoints[left].interfaceName == "*" ? 1 : 0, left) < (
                completed.hostEndpoints[right].interfaceName == "*" ? 1 : 0, right
            )
        }
        let own = order.filter { index in
            let endpoint = completed.hostEndpoints[index]
            return endpoint.processes == nil && isLocal(endpoint.node.isEmpty ? nil : endpoint.node)
        }
        for index in own {
            let name = completed.hostEndpoints[index].interfaceName
            var found =
                name == "*" ? byInterface.sorted { $0.key < $1.key }.flatMap(\.value) : name.flatMap { byInterface[$0] } ?? []
            if name == "*" || own.count == 1 { found += resolver }
            for address in found where taken.insert(address).inserted { completed.hostEndpoints[index].expectedIPs.append(address) }
        }
        return completed
    }

    /// Why these workloads cannot be served: one of this node claims an address of the node itself, as a pod with hostNetwork has it. Its policy would be that of
    /// everything that the node sends.
    func refusal(of endpoints: [WorkloadEndpoint], isLocal: (String?) -> Bool) -> PolicyDiagnostic? {
        for endpoint in endpoints where isLocal(endpoint.node) {
            for (interface, addresses) in byInterface.sorted(by: { $0.key < $1.key }) {
                guard let address = endpoint.addresses.first(where: addresses.contains) else { continue }
                return PolicyDiagnostic(
                    .error, at: endpoint.location, field: "spec.ipNetworks",
                    "\(address) is an address of this node itself (\(interface)): endpoint \(endpoint.namespace)/\(endpoint.name) cannot be told from it",
                    hint:
                        "take the endpoint of a pod with hostNetwork out; a HostEndpoint stands for the node, with exeat.io/cgroup for one of its pods"
                )
            }
        }
        return nil
    }

    /// Where the node's own processes send from: all of them, and the addresses of the resolver.
    func all(with resolver: [IPAddress]) -> [IPAddress] { Set(byInterface.values.joined()).union(resolver).sorted() }

    private static func isLocal(_ address: IPAddress) -> Bool {
        switch address.family {
        case .v4: address.v4 >> 24 == 127 || address.v4 >> 16 == 0xa9fe
        case .v6: (address.upper == 0 && address.lower == 1) || address.upper >> 54 == 0x3fa
        }
    }

    private static func address(_ socket: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
        guard let socket = unsafe socket else { return nil }
        switch Int32(unsafe socket.pointee.sa_family) {
        case AF_INET:
            return unsafe socket.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                unsafe IPAddress(v4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
            }
        case AF_INET6:
            return unsafe socket.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                var bytes = unsafe pointer.pointee.sin6_addr
                return unsafe withUnsafeBytes(of: &bytes) { raw in
                    unsafe IPAddress(
                        v6Upper: UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
                        lower: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
                }
            }
        default: return nil
        }
    }
}
