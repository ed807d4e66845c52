import DemoNetwork
import Foundation
import NetworkTypes
import Synchronization

/// Many UDP flows of many endpoints that stand behind a few links, sent through raw sockets, and a far side that notes what arrives.
///
/// Endpoint e has the address 10.66.P.N, P the pod behind whose link it is. Of its flows every second one goes to the name that policy keeps,
/// the others to the one that it takes away. Each datagram says which flow it is and when it was sent.
final class LiveFlows: Sendable {
    struct Arrival: Sendable {
        let flow: UInt32
        /// CLOCK_MONOTONIC, nanoseconds.
        let sent: UInt64
        let arrived: UInt64
    }

    static let port: UInt16 = 10_000
    static let kept = IPAddress(v4: 0xc000_0232)  // 192.0.2.50: every name in BenchPolicy.zone
    static let taken = BenchPolicy.webAddress
    private static let firstSourcePort = 20_000

    let endpointCount: Int
    let flowsPerEndpoint: Int
    private let pods: [DemoNetwork.Pod]
    private let internet: DemoNetwork.Namespace
    private let arrivals = Mutex<[Arrival]>([])
    /// By flow: whether anything of it has arrived since `forget`.
    private let isSeen: Mutex<[Bool]>
    private let isOver = Atomic<Bool>(false)
    private let sinks = Atomic<Int>(0)

    var count: Int { endpointCount * flowsPerEndpoint }
    private var endpointsPerPod: Int { (endpointCount + pods.count - 1) / pods.count }

    init(_ lab: BenchLab, endpoints: Int, flowsPerEndpoint: Int) throws {
        endpointCount = endpoints
        self.flowsPerEndpoint = flowsPerEndpoint
        pods = lab.network.pods
        internet = lab.network.internet
        isSeen = Mutex(Array(repeating: false, count: endpoints * flowsPerEndpoint))
        guard endpointsPerPod <= 250, flowsPerEndpoint <= 10_000 else { throw BenchError("at most 250 endpoints behind a link") }
        for (index, pod) in pods.enumerated() {
            let route = ["ip", "route", "add", "10.66.\(index).0/24", "via", "\(pod.v4)", "dev", pod.interfaceOnNode, "onlink"]
            let result = try lab.network.node.run(route)
            guard result.isSuccess else { throw BenchError("route: \(result.stderr)") }
        }
    }

    func address(_ endpoint: Int) -> IPAddress {
        let (pod, number) = endpoint.quotientAndRemainder(dividingBy: endpointsPerPod)
        return IPAddress(v4: 0x0a42_0001 + UInt32(pod << 8 + number))
    }

    func interface(_ endpoint: Int) -> String { pods[endpoint / endpointsPerPod].interfaceOnNode }

    func endpoint(of flow: Int) -> Int { flow / flowsPerEndpoint }

    func sourcePort(_ flow: Int) -> Int { Self.firstSourcePort + flow % flowsPerEndpoint }

    func isKept(_ flow: Int) -> Bool { flow % 2 == 0 }

    func flows(of endpoints: [Int]) -> [Int] {
        endpoints.flatMap { endpoint in (0..<flowsPerEndpoint).map { endpoint * flowsPerEndpoint + $0 } }
    }

    // MARK: The far side

    func startSinks() throws {
        for address in [Self.kept, Self.taken] {
            let descriptor = try internet.withThread {
                let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
                var size: Int32 = 64 << 20
                unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
                let status = unsafe Self.withAddress(address, Self.port) { unsafe bind(descriptor, $0, $1) }
                guard descriptor >= 0, status == 0 else { throw BenchError("no port \(Self.port) at \(address): errno \(errno)") }
                return descriptor
            }
            sinks.add(1, ordering: .relaxed)
            BenchThread.start { [self] in
                var bytes = [UInt8](repeating: 0, count: 64)
                var found: [Arrival] = []
                while !isOver.load(ordering: .relaxed) {
                    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                    guard unsafe poll(&entry, 1, 50) > 0 else { continue }
                    while unsafe recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT)) == 16 {
                        let now = SetMonitor.now()
                        found.append(
                            Arrival(flow: UInt32(truncatingIfNeeded: Self.number(bytes, 0)), sent: Self.number(bytes, 8), arrived: now))
                        if found.count >= 256 { break }
                    }
                    isSeen.withLock { seen in
                        for arrival in found where Int(arrival.flow) < seen.count { seen[Int(arrival.flow)] = true }
                    }
                    arrivals.withLock { $0 += found }
                    found.removeAll(keepingCapacity: true)
                }
                close(descriptor)
                sinks.subtract(1, ordering: .relaxed)
            }
        }
    }

    func stop() {
        isOver.store(true, ordering: .relaxed)
        for _ in 0..<100 where sinks.load(ordering: .relaxed) > 0 { usleep(10_000) }
    }

    func takeArrivals() -> [Arrival] {
        arrivals.withLock { arrivals in
            defer { arrivals = [] }
            return arrivals
        }
    }

    private func forget() { isSeen.withLock { seen in for index in seen.indices { seen[index] = false } } }

    private func missing(of flows: [Int]) -> [Int] { isSeen.withLock { seen in flows.filter { !seen[$0] } } }

    // MARK: Sending

    /// Sends one datagram of each flow, so many a second; those that do not arrive within a second are still missing.
    func sendOnce(_ flows: [Int], perSecond: Int) throws -> [Int] {
        forget()
        let lists = Dictionary(grouping: flows) { endpoint(of: $0) / endpointsPerPod }
        for (pod, own) in lists.sorted(by: { $0.key < $1.key }) {
            try pods[pod].namespace.withThread { [self] in
                let descriptor = try Self.rawSocket()
                defer { close(descriptor) }
                let begin = SetMonitor.now()
                for (index, flow) in own.enumerated() {
                    if index % 64 == 0 { Self.wait(until: begin + UInt64(index) * 1_000_000_000 / UInt64(perSecond)) }
                    var packet = self.packet(flow)
                    send(&packet, flow, descriptor)
                }
            }
        }
        for _ in 0..<100 {
            if missing(of: flows).isEmpty { return [] }
            usleep(10_000)
        }
        return missing(of: flows)
    }

    /// Sends a datagram of each of these flows every so many milliseconds, from one thread for each pod, until it is told to end.
    func sendAlways(_ flows: [Int], everyMilliseconds: Int, until isOver: SharedFlag) throws {
        for (pod, own) in Dictionary(grouping: flows, by: { endpoint(of: $0) / endpointsPerPod }) {
            isOver.enter()
            let namespace = pods[pod].namespace
            BenchThread.start { [self] in
                try? namespace.withThread { [self] in
                    let descriptor = try Self.rawSocket()
                    defer { close(descriptor) }
                    var packets = own.map { packet($0) }
                    var turn: UInt64 = 0
                    let begin = SetMonitor.now()
                    while !isOver.isSet {
                        for index in packets.indices { send(&packets[index], own[index], descriptor) }
                        turn += 1
                        Self.wait(until: begin + turn * UInt64(everyMilliseconds) * 1_000_000)
                    }
                }
                isOver.leave()
            }
        }
    }

    /// Asks the resolver for both names as each endpoint; the answers go nowhere.
    func resolve() throws {
        for (index, pod) in pods.enumerated() {
            try pod.namespace.withThread { [self] in
                let descriptor = try Self.rawSocket()
                defer { close(descriptor) }
                for endpoint in 0..<endpointCount where endpoint / endpointsPerPod == index {
                    for name in [BenchPolicy.webName, "kept.\(BenchPolicy.zone)"] {
                        var query: [UInt8] = [UInt8(truncatingIfNeeded: endpoint), 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
                        for label in name.split(separator: ".") { query += [UInt8(label.utf8.count)] + Array(label.utf8) }
                        query += [0, 0, 1, 0, 1]
                        let packet = Self.datagram(
                            from: address(endpoint), port: 5_000, to: BenchLab.resolver, port: 53, payload: query)
                        unsafe Self.withAddress(BenchLab.resolver, 0) { target, length in
                            _ = unsafe sendto(descriptor, packet, packet.count, 0, target, length)
                        }
                        usleep(100)
                    }
                }
            }
        }
    }

    private func packet(_ flow: Int) -> [UInt8] {
        let payload = (0..<8).map { UInt8(truncatingIfNeeded: flow >> (56 - 8 * $0)) } + Array(repeating: UInt8(0), count: 8)
        return Self.datagram(
            from: address(endpoint(of: flow)), port: UInt16(sourcePort(flow)),
            to: isKept(flow) ? Self.kept : Self.taken, port: Self.port, payload: payload)
    }

    /// With the time of now in its last eight bytes.
    private func send(_ packet: inout [UInt8], _ flow: Int, _ descriptor: Int32) {
        let now = SetMonitor.now()
        for index in 0..<8 { packet[packet.count - 8 + index] = UInt8(truncatingIfNeeded: now >> (56 - 8 * UInt64(index))) }
        unsafe Self.withAddress(isKept(flow) ? Self.kept : Self.taken, 0) { target, length in
            _ = unsafe sendto(descriptor, packet, packet.count, Int32(MSG_DONTWAIT), target, length)
        }
    }

    /// RFC 791, RFC 768; the kernel fills in the length and checksum of the IP header (raw(7)), UDP has none.
    private static func datagram(
        from source: IPAddress, port sourcePort: UInt16, to destination: IPAddress, port: UInt16, payload: [UInt8]
    ) -> [UInt8] {
        func two(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }
        var bytes: [UInt8] = [0x45, 0]
        bytes += two(UInt16(28 + payload.count))
        bytes += [0, 0, 0, 0, 64, 17, 0, 0]
        bytes += source.networkBytes
        bytes += destination.networkBytes
        bytes += two(sourcePort)
        bytes += two(port)
        bytes += two(UInt16(8 + payload.count))
        bytes += [0, 0]
        return bytes + payload
    }

    private static func rawSocket() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW))
        guard descriptor >= 0 else { throw BenchError("no raw socket: errno \(errno)") }
        return descriptor
    }

    private static func wait(until time: UInt64) {
        let now = SetMonitor.now()
        if time > now { usleep(UInt32((time - now) / 1_000)) }
    }

    private static func number(_ bytes: [UInt8], _ at: Int) -> UInt64 { bytes[at..<at + 8].reduce(0) { $0 << 8 | UInt64($1) } }

    static func withAddress<Value>(
        _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
    ) -> Value {
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = address.v4.bigEndian
        return unsafe withUnsafePointer(to: &target) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}
