import DemoNetwork
import Glibc
import NetworkTypes
import Synchronization

/// A pod that sends so many DNS queries a second, whatever becomes of them, and counts the answers: four names over and over, and one in fifty
/// that nobody has asked for.
final class QueryLoad: Sendable {
    struct Result: Sendable {
        var sent = 0
        var answered = 0
        /// Answered, but without an address.
        var failed = 0
        var seconds = 0.0
    }

    /// Ids are used once.
    static let queriesMax = 65_536

    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<NamespaceThread<Result>?>(nil)

    init(from pod: DemoNetwork.Pod, to server: IPAddress, perSecond: Int) throws {
        let started = try pod.namespace.startThread { [self] in try run(server, perSecond) }
        thread.withLock { $0 = started }
    }

    /// Sends no more and gives the answers three seconds to come.
    func finish() throws -> Result {
        isStopping.store(true, ordering: .relaxed)
        guard let running = thread.withLock({ $0 }) else { throw Problem("the load was ended before") }
        return try running.join()
    }

    private func run(_ server: IPAddress, _ perSecond: Int) throws -> Result {
        let client = try NameClient(server: server)
        var result = Result()
        var waiting = [Bool](repeating: false, count: Self.queriesMax)
        let watch = Stopwatch()
        func collect() {
            while let reply = client.received() {
                let id = Int(reply[0]) << 8 | Int(reply[1])
                guard waiting[id] else { continue }
                waiting[id] = false
                result.answered += 1
                if reply[3] & 0xf != 0 || reply[6...7] == [0, 0] { result.failed += 1 }
            }
        }
        while !isStopping.load(ordering: .relaxed), result.sent < Self.queriesMax {
            while Double(result.sent) < watch.seconds * Double(perSecond), result.sent < Self.queriesMax {
                let id = result.sent
                let label = id % 50 == 49 ? "n\(id).wild" : ["api", "echo", "slow", "one"][id % 4]
                var random = SeededRandom(seed: UInt64(id))
                waiting[id] = true
                client.send(
                    GeneratedQuery(id: UInt16(id), name: label + ".example.org", type: 1, datagramBytes: nil, from: &random).bytes)
                result.sent += 1
            }
            collect()
            usleep(500)
        }
        result.seconds = watch.seconds
        while result.answered < result.sent, watch.seconds < result.seconds + 3 {
            collect()
            usleep(1_000)
        }
        return result
    }
}
