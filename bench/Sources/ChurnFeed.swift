import DemoNetwork
import Foundation
import NetworkTypes

/// Endpoints that change all the time: one file each, renamed into place. A label says whether the endpoint may reach the web; the
/// endpoints beside the lab's pods have no interface, but policy and the kernel's sets treat them alike.
final class ChurnFeed {
    private struct Endpoint {
        let name: String
        let interface: String
        let addresses: [IPAddress]
        var isOpen: Bool
        var isThere = true
    }

    struct Change {
        let endpoint: Int
        /// Before the file was written, and when it was in place.
        let begin: UInt64
        let time: UInt64
        let isOpen: Bool
        let isThere: Bool
    }

    private let folder: String
    private var endpoints: [Endpoint]
    private let podCount: Int
    private(set) var changes: [Change] = []

    init(_ lab: BenchLab, endpoints count: Int) throws {
        folder = lab.policyFolder
        let pods = lab.network.pods
        podCount = pods.count
        endpoints = pods.map { Endpoint(name: $0.name, interface: $0.interfaceOnNode, addresses: $0.addresses, isOpen: true) }
        for number in pods.count..<count {
            endpoints.append(
                Endpoint(
                    name: "other-\(number)", interface: "cali0\(number)", addresses: [IPAddress(v4: 0x0a60_0000 + UInt32(number))],
                    isOpen: number % 2 == 0))
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
        }
        try lab.write(Self.policy, "policies/policy.yaml")
        for index in endpoints.indices { try write(index) }
    }

    private static let policy = """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: web}
        spec:
          order: 10
          selector: web == "open"
          types: [Egress]
          egress:
            - {action: Allow, protocol: TCP, destination: {domains: ["\(BenchPolicy.webName)", "*.cdn.example.net"], ports: [80, 443]}}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: rest}
        spec: {order: 1000, selector: all(), types: [Egress]}
        """

    private func write(_ index: Int) throws {
        let endpoint = endpoints[index]
        let networks = endpoint.addresses.map { "\"\($0)/\($0.family.addressBits)\"" }.joined(separator: ", ")
        let text = """
            apiVersion: projectcalico.org/v3
            kind: WorkloadEndpoint
            metadata: {name: \(endpoint.name), namespace: default, labels: {web: \(endpoint.isOpen ? "open" : "closed")}}
            spec: {orchestrator: k8s, node: node, pod: \(endpoint.name), interfaceName: \(endpoint.interface), ipNetworks: [\(networks)]}
            """
        let hidden = "\(folder)/.\(endpoint.name)"
        try text.write(toFile: hidden, atomically: false, encoding: .utf8)
        guard unsafe rename(hidden, "\(folder)/\(endpoint.name).yaml") == 0 else { throw BenchError("rename: errno \(errno)") }
    }

    /// Changes one endpoint after the other, round and round; returns when each change is in the kernel. No endpoint changes again before
    /// its last change has arrived, so each message of the kernel belongs to one change however slow the machine is.
    ///
    /// Throws if a change does not arrive.
    func run(seconds: Int, perSecond: Int, _ monitor: SetMonitor) throws -> Int {
        let begin = SetMonitor.now()
        var last = [Change?](repeating: nil, count: endpoints.count)
        for number in 0..<seconds * perSecond {
            let due = begin + UInt64(number) * 1_000_000_000 / UInt64(perSecond)
            let now = SetMonitor.now()
            if now < due { usleep(UInt32((due - now) / 1000)) }
            // Behind by a second: the rate cannot be kept, and the result says so.
            if now > begin + UInt64(seconds + 1) * 1_000_000_000 { break }
            let index = number % endpoints.count
            let round = number / endpoints.count
            if let change = last[index] { try wait(for: change, monitor) }
            if index >= podCount, (index + round) % 10 == 0 || !endpoints[index].isThere {
                endpoints[index].isThere.toggle()
            } else {
                endpoints[index].isOpen.toggle()
            }
            let changeBegin = SetMonitor.now()
            if endpoints[index].isThere {
                try write(index)
            } else {
                unlink("\(folder)/\(endpoints[index].name).yaml")
            }
            let change = Change(
                endpoint: index, begin: changeBegin, time: SetMonitor.now(), isOpen: endpoints[index].isOpen,
                isThere: endpoints[index].isThere)
            last[index] = change
            changes.append(change)
        }
        for case let change? in last { try wait(for: change, monitor) }
        return changes.count
    }

    private func wait(for change: Change, _ monitor: SetMonitor) throws {
        let endpoint = endpoints[change.endpoint]
        for _ in 0..<30_000 {
            if monitor.hasHeard(of: endpoint.addresses[0], isAddition: change.isThere, since: change.begin) { return }
            usleep(1000)
        }
        throw BenchError("the change of \(endpoint.name) (\(change.isThere ? "written" : "removed")) has not reached the kernel in 30 s")
    }

    private func unlink(_ path: String) { unsafe Glibc.unlink(path) }

    /// From each change to the first message about its endpoint that follows, in milliseconds.
    func latencies(_ events: [SetMonitor.Event]) -> [Double] {
        var times: [IPAddress: [(time: UInt64, isAddition: Bool)]] = [:]
        for event in events { times[event.address, default: []].append((event.time, event.isAddition)) }
        return changes.compactMap { change in
            let found = (times[endpoints[change.endpoint].addresses[0]] ?? []).first {
                $0.time >= change.begin && $0.isAddition == change.isThere
            }
            return found.map { Double($0.time - min($0.time, change.time)) / 1e6 }
        }
    }

    /// Compares attempts of the pods with what their labels said. Attempts between a change of their pod and its arrival in the kernel are
    /// left out; how long that takes is judged by `latencies`.
    func judge(_ attempts: [ChurnTraffic.Attempt], _ events: [SetMonitor.Event]) -> (judged: Int, wrong: Int) {
        var (judged, wrong) = (0, 0)
        var arrivals: [IPAddress: [UInt64]] = [:]
        for event in events where event.isAddition { arrivals[event.address, default: []].append(event.time) }
        for attempt in attempts {
            let own = changes.filter { $0.endpoint == attempt.pod }
            let arrived = arrivals[endpoints[attempt.pod].addresses[0]] ?? []
            let isBetween = own.contains { change in
                guard change.begin <= attempt.end else { return false }
                let arrival = arrived.first { $0 >= change.begin } ?? .max - 1_000_000_000
                return arrival + 20_000_000 > attempt.start
            }
            if isBetween { continue }
            let isOpen = own.last { $0.time <= attempt.start }?.isOpen ?? true
            judged += 1
            if isOpen != attempt.isConnected { wrong += 1 }
        }
        return (judged, wrong)
    }
}
