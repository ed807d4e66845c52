import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    @Suite struct EndingTests {
        private static func makeNode() throws -> RunningNode {
            let node = try RunningNode(policies: [
                "shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest,
            ])
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.resolve("api.example.org", from: "pod-a")
            return node
        }

        @Test(arguments: [true, false])
        func `exeat down removes all enforcement`(whileAlive isAlive: Bool) throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.10"), every: 0.01, in: node.lab)
            let witness = try Witness(in: node.lab, to: try #require(IPAddress(parsing: "203.0.113.66")))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
            #expect(try witness.packets() == 0)
            if !isAlive { try node.end(SIGKILL) }

            let result = try node.exeat("down")
            #expect(result.isSuccess, "\(result.stdout) \(result.stderr)")
            // Alive, the daemon ends by itself.
            #expect(node.daemon?.wait(timeoutSeconds: 5) == (isAlive ? 0 : 137))
            #expect(try node.lab.node.run(["nft", "list tables"]).stdout.isEmpty)
            #expect(try node.isReached("pod-a", "203.0.113.66"))
            #expect(try witness.packets() > 0)
            #expect(try node.isReached("pod-b", "192.0.2.10"))
            try Stopwatch.wait("holder and daemon are gone", seconds: 2) { node.lab.node.processes.isEmpty }
            #expect(try node.lab.node.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout.isEmpty)
            let files = try FileManager.default.contentsOfDirectory(atPath: node.runtimeDirectory)
            #expect(files.filter { $0.hasSuffix(".sock") } == [], "sockets that nobody listens on")
            #expect(try pump.stop().failure == nil)

            // Once more: nothing to do is no fault. And a new start enforces.
            #expect(try node.exeat("down").isSuccess)
            try node.start()
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
        }

        /// Where nothing owns the table, anybody may delete it.
        @Test(arguments: [true, false])
        func `exeat down of another runtime directory leaves enforcement alone and names the right one`(whileAlive isAlive: Bool) throws {
            let node = try RunningNode(
                policies: ["rest.yaml": PolicyText.denyRest], arguments: ["--pretend", "table owner and persist=no"])
            defer { node.stop() }
            try node.echo("203.0.113.66")
            if !isAlive { try node.end(SIGKILL) }
            let handle = try Self.tableHandle(node)
            let other = node.lab.directory + "/other"
            let result = try node.lab.node.run([Program.path, "down", "--runtime-directory", other], timeoutSeconds: 15)
            #expect(result.status == 1)
            #expect(result.stderr.contains("`exeat down --runtime-directory \(node.runtimeDirectory)`"), "\(result.stderr)")
            #expect(try Self.tableHandle(node) == handle)
            if isAlive { #expect(try node.metrics()["exeat_table_repairs_total"] == 0) }
            #expect(try node.exeat("down").isSuccess)
            #expect(try node.lab.node.run(["nft", "list tables"]).stdout.isEmpty)
        }

        @Test func `SIGTERM leaves enforcement, and the next start takes it over without touching a flow`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let denied = try #require(IPAddress(parsing: "203.0.113.66"))
            let witness = try Witness(in: node.lab, to: denied)
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.10"), every: 0.01, in: node.lab)
            let prober = try Prober(in: try node.pod("pod-a"), to: denied, port: RunningNode.echoPort)
            let handle = try Self.tableHandle(node)
            let watch = Stopwatch()
            #expect(try node.end(SIGTERM) == 0)
            let ended = watch.seconds
            #expect(try Self.tableHandle(node) == handle)
            Thread.sleep(forTimeInterval: 0.3)
            try node.start()
            #expect(try Self.tableHandle(node) == handle, "the table is the same")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
            #expect(try node.metrics()["exeat_bindings_recovered_total"] == 1)
            let record = try pump.stop()
            #expect(record.failure == nil)
            let probes = try prober.stop()
            #expect(probes.reached == 0)
            #expect(try witness.packets() == 0)
            print("SIGTERM: ends after \(ended) s; longest exchange \(record.longestSeconds) s; \(probes.attempts) denied attempts")
        }

        /// The kernel's number of the table: another one means another table.
        private static func tableHandle(_ node: RunningNode) throws -> String {
            let text = try node.lab.node.run(["nft", "-a", "list table inet exeat"]).stdout
            let match = text.firstMatch(of: /table inet exeat \{ # (?:progname [^ ]+ )?handle ([0-9]+)/)
            return try String(#require(match, "no table: \(text)").1)
        }
    }
}
