import DemoNetwork
import Foundation
import Testing

extension RunningNode {
    func metrics() throws -> Metrics {
        let result = try lab.node.run(["curl", "-sf", "-m", "3", "http://127.0.0.1:9253/metrics"], timeoutSeconds: 5)
        guard result.isSuccess else { throw Problem("no metrics: curl exit \(result.status)\n\(log)") }
        return Metrics(text: result.stdout)
    }

    /// Packets that any queue of the node has seen: the last id of each.
    func queuedPackets() throws -> Double {
        try lab.node.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout.split(separator: "\n").reduce(0) {
            $0 + (Double($1.split(separator: " ").dropFirst(7).first ?? "") ?? 0)
        }
    }

    /// What the daemon has printed.
    var log: String { (try? String(contentsOfFile: lab.directory + "/daemon.log", encoding: .utf8)) ?? "" }

    /// Runs the program in the node, with the node's runtime directory.
    func exeat(_ arguments: String...) throws -> CommandResult {
        try lab.node.run([Program.path] + arguments + ["--runtime-directory", runtimeDirectory], timeoutSeconds: 15)
    }

    func bindings() throws -> [Binding] { try rows(exeat("bindings", "--json")) }

    func status() throws -> [String: Any] {
        let result = try exeat("status", "--json")
        let object = try JSONSerialization.jsonObject(with: Data(result.stdout.utf8))
        return try #require(object as? [String: Any])
    }

    /// The lines of the flow log's file about one destination, oldest first.
    func flows(_ pod: String, to destination: String) -> [Flow] {
        let text = (try? String(contentsOfFile: lab.directory + "/flows.jsonl", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { try? JSONDecoder().decode(Flow.self, from: Data($0.utf8)) }
            .filter { $0.endpoint == pod && $0.destination == destination }
    }

    /// The last line about a destination with this verdict: the log is written a moment after the packet.
    func flow(_ pod: String, to destination: String, verdict: String) throws -> Flow {
        var found: Flow?
        try Stopwatch.wait("\(verdict) of \(destination) in the flow log", seconds: 2) {
            found = flows(pod, to: destination).last { $0.verdict == verdict }
            return found != nil
        }
        return try #require(found)
    }

    /// The last line about a destination of which this holds.
    func flow(_ pod: String, to destination: String, where isWanted: (Flow) -> Bool) throws -> Flow {
        var found: Flow?
        try Stopwatch.wait("a line about \(destination) in the flow log", seconds: 2) {
            found = flows(pod, to: destination).last(where: isWanted)
            return found != nil
        }
        return try #require(found)
    }

    private func rows<Row: Decodable>(_ result: CommandResult) throws -> [Row] {
        guard result.isSuccess else { throw Problem("exit \(result.status): \(result.stderr)") }
        return try result.stdout.split(separator: "\n").map { try JSONDecoder().decode(Row.self, from: Data($0.utf8)) }
    }
}
