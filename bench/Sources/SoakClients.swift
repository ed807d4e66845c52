import DemoNetwork
import Foundation
import NetworkTypes
import Synchronization

/// Clients with an address each behind four links, which ask the resolver without end: one name in twenty that nobody has asked for, else one of
/// those of the last seconds.
final class SoakClients: Sendable {
    struct Counts: Sendable {
        var asked = 0
        /// Without an answer within two seconds.
        var lost = 0
        /// Answered without an address, or with a TTL above ``ttlMax``.
        var wrong = 0
    }

    static let ttlMax: UInt32 = 5
    private static let freshShare = 20
    /// Names of about the last five seconds.
    private static let recent = 1_500

    let count: Int
    private let pods: [DemoNetwork.Pod]
    private let isOver = SharedFlag()
    private let names = Atomic<Int>(recent)
    private let counts = Mutex(Counts())

    private var perPod: Int { count / pods.count }

    init(_ lab: BenchLab, count: Int) throws {
        self.count = count
        pods = lab.network.pods
        guard count % pods.count == 0, perPod <= 250 else { throw BenchError("at most 250 clients behind a link") }
        for (index, pod) in pods.enumerated() {
            let prefix = "10.66.\(index).0/24"
            for (namespace, route) in [
                (lab.network.node, ["ip", "route", "add", prefix, "via", "\(pod.v4)", "dev", pod.interfaceOnNode, "onlink"]),
                (pod.namespace, ["ip", "route", "add", "local", prefix, "dev", "lo"]),
            ] {
                let result = try namespace.run(route)
                guard result.isSuccess else { throw BenchError("route: \(result.stderr)") }
            }
        }
    }

    private func address(_ pod: Int, _ number: Int) -> IPAddress { IPAddress(v4: 0x0a42_0001 + UInt32(pod << 8 + number)) }

    /// Their endpoints, for the daemon.
    var workload: String {
        (0..<count).map { client in
            let (pod, number) = client.quotientAndRemainder(dividingBy: perPod)
            return """
                apiVersion: projectcalico.org/v3
                kind: WorkloadEndpoint
                metadata: {name: s\(client), namespace: default, labels: {app: shop}}
                spec: {orchestrator: k8s, node: node, pod: s\(client), interfaceName: \(pods[pod].interfaceOnNode), ipNetworks: ["\(address(pod, number))/32"]}

                """
        }.joined(separator: "---\n")
    }

    /// Names that were asked for so far.
    var nameCount: Int { names.load(ordering: .relaxed) }

    func takeCounts() -> Counts { counts.withLock { $0 } }

    /// Each link's clients take turns on a thread of their own.
    func start(perSecond: Int) throws {
        for (index, pod) in pods.enumerated() {
            let sockets = try pod.namespace.withThread { [self] in
                try (0..<perPod).map { try Self.socket(from: address(index, $0)) }
            }
            isOver.enter()
            BenchThread.start { [self] in
                run(sockets, perSecond: perSecond / pods.count)
                for socket in sockets { close(socket) }
                isOver.leave()
            }
        }
    }

    func stop() { isOver.setAndWait() }

    private func run(_ sockets: [Int32], perSecond: Int) {
        let start = CPUTime.nowNanoseconds()
        var sent = 0
        var buffer = [UInt8](repeating: 0, count: 1_500)
        while !isOver.isSet {
            let due = Int(Double(CPUTime.nowNanoseconds() - start) / 1e9 * Double(perSecond))
            guard sent < due else {
                usleep(1_000)
                continue
            }
            // After a pause of the machine they do not make up for it.
            sent = max(sent, due - perSecond)
            var batch = Counts()
            for _ in 0..<min(due - sent, 64) {
                ask(sockets[sent % sockets.count], UInt16(truncatingIfNeeded: sent), &buffer, &batch)
                sent += 1
            }
            counts.withLock {
                $0.asked += batch.asked
                $0.lost += batch.lost
                $0.wrong += batch.wrong
            }
        }
    }

    private func ask(_ socket: Int32, _ id: UInt16, _ buffer: inout [UInt8], _ counts: inout Counts) {
        let isFresh = Int.random(in: 0..<Self.freshShare) == 0
        let number =
            isFresh ? names.add(1, ordering: .relaxed).newValue : names.load(ordering: .relaxed) - Int.random(in: 0..<Self.recent)
        var query = DNSLoad.query("s\(number).\(BenchPolicy.zone)")
        (query[0], query[1]) = (UInt8(id >> 8), UInt8(id & 0xff))
        counts.asked += 1
        guard unsafe send(socket, query, query.count, Int32(MSG_NOSIGNAL)) == query.count else {
            counts.lost += 1
            return
        }
        while true {
            let length = unsafe recv(socket, &buffer, buffer.count, 0)
            guard length >= 12 else {
                counts.lost += 1
                return
            }
            // A late answer to an earlier question.
            guard buffer[0] == query[0], buffer[1] == query[1] else { continue }
            // One A record at the end: TTL, RDLENGTH, address.
            guard buffer[3] & 0xf == 0, buffer[7] == 1, length >= 40 else {
                counts.wrong += 1
                return
            }
            let ttl = buffer[(length - 10)..<(length - 6)].reduce(0) { $0 << 8 | UInt32($1) }
            if ttl > Self.ttlMax { counts.wrong += 1 }
            return
        }
    }

    private static func socket(from address: IPAddress) throws -> Int32 {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var patience = timeval(tv_sec: 2, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let isBound = unsafe LiveFlows.withAddress(address, 0) { unsafe bind(descriptor, $0, $1) } == 0
        let isConnected = unsafe LiveFlows.withAddress(BenchLab.resolver, 53) { unsafe connect(descriptor, $0, $1) } == 0
        guard descriptor >= 0, isBound, isConnected else { throw BenchError("no socket from \(address): errno \(errno)") }
        return descriptor
    }
}
