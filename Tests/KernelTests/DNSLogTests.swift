import Foundation
import Testing

extension KernelSuites {
    /// The log of queries, from a pod's question to a line in the file.
    @Suite struct DNSLogTests {
        private static func lines(_ node: RunningNode) throws -> [[String: Any]] {
            let text = (try? String(contentsOfFile: node.lab.directory + "/dns.jsonl", encoding: .utf8)) ?? ""
            // The last one may be half written.
            return try text[..<(text.lastIndex(of: "\n") ?? text.startIndex)].split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
        }

        private func scene(_ options: String, _ body: (RunningNode) throws -> Void) throws {
            let node = try RunningNode(
                policies: [
                    "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: ["*.example.org"]), "rest.yaml": PolicyText.denyRest,
                ], starts: false)
            defer { node.stop() }
            var settings = NodeSettings()
            settings.extra = "dnsLog:\n  path: \(node.lab.directory)/dns.jsonl\n\(options)"
            try node.write(settings: settings)
            try node.start()
            try body(node)
        }

        @Test func `queries become lines that name the pod, what it asked and what it got`() throws {
            try scene("  flushSeconds: 1\n") { node in
                for _ in 0..<5 { #expect(try !node.resolve("api.example.org", from: "pod-a").isEmpty) }
                var counted = 0
                try Stopwatch.wait("lines are written", seconds: 20) {
                    counted = try Self.lines(node).filter { $0["qname"] as? String == "api.example.org" }.reduce(0) {
                        $0 + ($1["count"] as? Int ?? 0)
                    }
                    return counted >= 5
                }
                let found = try Self.lines(node).first { $0["qname"] as? String == "api.example.org" && $0["qtype"] as? String == "A" }
                let line = try #require(found)
                #expect(line["type"] as? String == "LOG" && line["client_name"] as? String == "pod-a")
                #expect(line["rcode"] as? String == "NoError" && line["verdict"] as? String == "allowed")
                let sets = try #require(line["rrsets"] as? [[String: Any]])
                #expect(sets.first?["type"] as? String == "A" && !((sets.first?["rdata"] as? [String]) ?? []).isEmpty)
                #expect((line["servers"] as? [[String: Any]])?.first?["ip"] as? String == "192.0.2.53")
                #expect(try node.metrics()["exeat_dns_log_lines_total"] >= 1)
                // As logrotate does it: what comes next is in a new file, and nothing is lost.
                let path = node.lab.directory + "/dns.jsonl"
                try FileManager.default.moveItem(atPath: path, toPath: path + "-old")
                try Stopwatch.wait("there is a new file", seconds: 20) {
                    #expect(try !node.resolve("api.example.org", from: "pod-a").isEmpty)
                    return try Self.lines(node).contains { $0["client_name"] as? String == "pod-a" }
                }
                #expect(try node.metrics()["exeat_dns_log_write_errors_total"] == 0)
                #expect(try node.metrics()["exeat_dns_log_lost_records_total"] == 0)
            }
        }

        @Test func `what waits for the end of its interval is written when the daemon ends`() throws {
            try scene("  flushSeconds: 3600\n") { node in
                for _ in 0..<3 { #expect(try !node.resolve("api.example.org", from: "pod-a").isEmpty) }
                #expect(try Self.lines(node).isEmpty)
                #expect(try node.end(SIGTERM) == 0)
                let counts = try Self.lines(node).filter { $0["qname"] as? String == "api.example.org" && $0["qtype"] as? String == "A" }
                    .map { $0["count"] as? Int ?? 0 }
                // A client may ask twice.
                #expect(counts.count == 1 && counts[0] >= 3, "\(counts)")
            }
        }

        @Test func `names are kept out of the file where that is wanted`() throws {
            try scene("  aggregation: none\n  names: registered-domain\n") { node in
                #expect(try !node.resolve("api.example.org", from: "pod-a").isEmpty)
                try Stopwatch.wait("lines are written", seconds: 20) { try !Self.lines(node).isEmpty }
                let text = try String(contentsOfFile: node.lab.directory + "/dns.jsonl", encoding: .utf8)
                #expect(text.contains("\"qname\":\"example.org\"") && !text.contains("api.example"))
                #expect(try Self.lines(node).allSatisfy { $0["count"] as? Int == 1 })
            }
        }
    }
}
