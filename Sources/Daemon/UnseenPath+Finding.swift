import Glibc
import NetfilterTables
import Netlink
import PolicyModel

extension UnseenPath {
    /// What of the calling thread's network namespace leads past the rules. What cannot be asked for, without privileges or on this kernel, is not found.
    public static func find() -> [UnseenPath] {
        guard let socket = try? NetlinkSocket(protocol: NetlinkSocket.route), let links = try? NetworkLink.all(socket) else { return [] }
        var found = of(links)
        for link in links {
            let programs = (try? link.filters(socket)) ?? []
            if link.kind == "netkit" {
                found.append(UnseenPath(kind: .programs, what: "\(link.name) is a netkit device"))
            } else if !programs.isEmpty || link.hasXDP {
                let names = programs.map { "\"\($0)\"" } + (link.hasXDP ? ["XDP"] : [])
                found.append(UnseenPath(kind: .programs, what: "\(link.name) has BPF programs: \(names.joined(separator: ", "))"))
            }
        }
        for table in (try? TableSocket.flowtables()) ?? [] { found.append(UnseenPath(kind: .flowtable, what: "flowtable \(table)")) }
        let services = services((try? TextFile.read("/proc/thread-self/net/ip_vs")) ?? "")
        if services > 0 { found.append(UnseenPath(kind: .ipvs, what: "IPVS has \(services) service\(services == 1 ? "" : "s")")) }
        return found + elsewhere(links)
    }

    /// Refuses workloads of this node that are bridged: their packets come in by the bridge, whoever sends them.
    static func refuseBridged(_ endpoints: [WorkloadEndpoint], isLocal: (String?) -> Bool) throws(DaemonError) {
        guard let socket = try? NetlinkSocket(protocol: NetlinkSocket.route), let links = try? NetworkLink.all(socket) else { return }
        let bridged = Dictionary(
            links.filter { $0.portKind == "bridge" || $0.kind == "bridge" }.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for endpoint in endpoints where isLocal(endpoint.node) {
            guard let link = bridged[endpoint.interfaceName] else { continue }
            let bridge = links.first { link.portKind == "bridge" && $0.index == link.master }?.name
            throw DaemonError(
                "endpoint \(endpoint.namespace)/\(endpoint.name): its interface \(link.name) is \(bridge.map { "a port of the bridge \($0)" } ?? "a bridge")",
                hint: "route the workload by a veth of its own, or take the endpoint out: on a bridge its address can be anybody's")
        }
    }

    /// By the interfaces alone.
    static func of(_ links: [NetworkLink]) -> [UnseenPath] {
        var found: [UnseenPath] = []
        for link in links {
            let ports = links.filter { $0.portKind == "bridge" && $0.master == link.index }.map(\.name)
            if !ports.isEmpty {
                found.append(UnseenPath(kind: .bridge, what: "\(link.name) has the ports \(ports.joined(separator: ", "))"))
            }
            if isSideDoor(link), link.lowerNamespace == nil, let lower = links.first(where: { $0.index == link.lower }) {
                found.append(UnseenPath(kind: .macvlan, what: "\(link.name) is a \(link.kind) on \(lower.name)"))
            }
            if link.virtualFunctions > 0 {
                found.append(UnseenPath(kind: .virtualFunctions, what: "\(link.name) has \(link.virtualFunctions) virtual functions"))
            }
        }
        return found
    }

    private static func isSideDoor(_ link: NetworkLink) -> Bool { ["macvlan", "macvtap", "ipvlan", "ipvtap"].contains(link.kind) }

    /// In other namespaces, on devices of this one.
    private static func elsewhere(_ links: [NetworkLink]) -> [UnseenPath] {
        let own = unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard own >= 0 else { return [] }
        defer { close(own) }
        return NetworkNamespace.others().flatMap { place in
            let doors = place.entered { () -> [NetworkLink]? in
                guard let socket = try? NetlinkSocket(protocol: NetlinkSocket.route), let there = try? NetworkLink.all(socket) else {
                    return nil
                }
                let doors = there.filter { isSideDoor($0) && $0.lowerNamespace != nil }
                guard !doors.isEmpty, let number = NetworkNamespace.number(ofDescriptor: own, socket) else { return nil }
                return doors.filter { $0.lowerNamespace == number }
            }
            return (doors ?? []).map { door in
                let lower = links.first { $0.index == door.lower }?.name ?? "?"
                return UnseenPath(kind: .macvlan, what: "\(door.name) of \(place.name) is a \(door.kind) on \(lower)")
            }
        }
    }

    /// In `/proc/net/ip_vs`: lines of services begin with their protocol, behind three of a head.
    static func services(_ text: String) -> Int {
        text.split(separator: "\n").filter { line in ["TCP ", "UDP ", "SCTP ", "FWM "].contains { line.hasPrefix($0) } }.count
    }
}
