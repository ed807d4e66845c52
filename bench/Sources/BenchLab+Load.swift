import DemoNetwork
import Foundation

/// TCP load from the pod to a server on the internet side.
extension BenchLab {
    /// Accepts and closes at once (port 80), or after it has read something and answered (port 443).
    static let closingPort: UInt16 = 80
    static let answeringPort: UInt16 = 443

    /// What a plain packet filter does: one forward chain, which knows connections and accepts those of the pod.
    func installAcceptRules() throws {
        try write(
            """
            table inet plain {
                chain forward {
                    type filter hook forward priority filter; policy drop;
                    ct state established,related accept
                    ct state new ip saddr \(pod.v4) accept
                }
            }

            """, "accept.nft")
        guard try network.node.run(["nft", "-f", path("accept.nft")]).isSuccess else { throw BenchError("nft") }
    }

    /// Has the pod hold the address by name, as every connection of a measurement needs it.
    func resolve() throws {
        let answer = try pod.namespace.withThread { LabClient.resolve(BenchPolicy.webName, server: BenchLab.resolver) }
        guard answer.addresses.contains(BenchPolicy.webAddress) else { throw BenchError("\(BenchPolicy.webName) does not resolve") }
    }

    /// Client and server of a transfer share the last processor: what counts is what a byte costs, not where the scheduler puts them.
    private static let onOneProcessor = ["taskset", "-c", "\(ProcessInfo.processInfo.processorCount - 1)"]

    /// Starts both servers of `tcp-load`; they go with the lab.
    func startLoadServers(_ program: String) throws {
        for (port, manner) in [(Self.closingPort, "close"), (Self.answeringPort, "answer")] {
            _ = try MeasuredProgram(
                [program, "serve", "\(BenchPolicy.webAddress)", "\(port)", manner], in: network.internet,
                output: path("server-\(port).out"))
        }
        try Data(ClientHello.bytes(name: BenchPolicy.webName)).write(to: URL(fileURLWithPath: path("hello")))
    }

    /// One slice of load; `decider` is the process whose CPU time counts as the filter's.
    func load(
        _ program: String, connectionsAtOnce: Int, milliseconds: Int, sendsHello: Bool = false, decider: ChildProcess? = nil
    ) throws -> LoadResult {
        var arguments = [program, "connect", "\(BenchPolicy.webAddress)"]
        arguments += ["\(sendsHello ? Self.answeringPort : Self.closingPort)", "\(connectionsAtOnce)", "\(milliseconds)"]
        if sendsHello { arguments.append(path("hello")) }
        func used() throws -> Double { try decider.map { Double(try CPUTime.nanoseconds(of: $0.pid)) } ?? 0 }
        let number = loadClients.count
        var client =
            try loadClients[arguments]
            ?? (MeasuredProgram(arguments, in: pod.namespace, output: path("client-\(number).out")), 1)
        let before = try used()
        client.program.process.kill(SIGUSR1)
        client.lines += 1
        usleep(UInt32(milliseconds) * 1000)
        let numbers = try client.program.waitForLines(client.lines, seconds: Double(milliseconds) / 1000 + 10)
        loadClients[arguments] = client
        return LoadResult(numbers, filterNanoseconds: try used() - before)
    }

    /// Megabits a second that iperf3 moves in `seconds` to the server, or from it; its server listens on `throughputPort`.
    func throughput(seconds: Int, fromServer: Bool) throws -> Double {
        let run = try pod.namespace.run(
            Self.onOneProcessor + [
                "iperf3", "-c", "\(BenchPolicy.webAddress)", "-p", "\(BenchPolicy.throughputPort)", "-t", "\(seconds)", "-J",
            ] + (fromServer ? ["-R"] : []), timeoutSeconds: Double(seconds) + 20)
        let report = (try? JSONSerialization.jsonObject(with: Data(run.stdout.utf8))) as? [String: Any]
        let sum = (report?["end"] as? [String: Any])?["sum_received"] as? [String: Any]
        guard run.isSuccess, let bits = (sum?["bits_per_second"] as? NSNumber)?.doubleValue else {
            throw BenchError("iperf3: \(run.stdout.suffix(500)) \(run.stderr)")
        }
        return bits / 1e6
    }

    func startThroughputServer() throws {
        _ = try network.internet.spawn(
            Self.onOneProcessor + ["iperf3", "-s", "-B", "\(BenchPolicy.webAddress)", "-p", "\(BenchPolicy.throughputPort)"],
            output: path("iperf3.out"))
        let isListening = { [internet = network.internet] in
            try internet.withThread { LabClient.connect(to: BenchPolicy.webAddress, port: BenchPolicy.throughputPort).isConnected }
        }
        for _ in 0..<100 {
            if try isListening() {
                // The server takes that for a client and has to notice that it went.
                usleep(200_000)
                return
            }
            usleep(20_000)
        }
        throw BenchError("iperf3 does not listen")
    }
}
