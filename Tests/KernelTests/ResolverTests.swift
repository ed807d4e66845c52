import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Answers that the node gives by itself: those that have expired where the upstream is silent, and names of its own configuration.
    @Suite struct ResolverTests {
        private static let policies = [
            "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: ["*.example.org"]),
            "rest.yaml": PolicyText.denyRest,
        ]

        /// A node whose upstream is silent when the test says so; answers live for three seconds.
        private func scene(
            holdMilliseconds: Int, dns: String, _ body: (RunningNode, PatientUpstream) throws -> Void
        ) throws {
            let node = try RunningNode(
                NodeSettings(
                    floorSeconds: 1, graceSeconds: 0, upstream: PatientUpstream.address.description, dns: dns,
                    extra: "hold:\n  milliseconds: \(holdMilliseconds)\n"),
                policies: Self.policies, starts: false)
            defer { node.stop() }
            let upstream = try PatientUpstream(in: node.lab.internet, timeToLive: 3)
            defer { try? upstream.stop() }
            upstream.set("api.example.org", "192.0.2.10")
            try "192.0.2.20 db.example.org\n".write(toFile: node.folder + "/hosts", atomically: true, encoding: .utf8)
            try node.start()
            try node.echo("192.0.2.10", "192.0.2.20", "192.0.2.30")
            try body(node, upstream)
        }

        private static let stale = "  serveStale: {clientTimeoutMilliseconds: 100}\n"

        @Test func `with a silent upstream an expired answer opens what it says, for as long as it says`() throws {
            try scene(holdMilliseconds: 0, dns: Self.stale) { node, upstream in
                #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                upstream.hold()
                try Stopwatch.wait("the binding ends") { try node.isRefused("pod-a", "192.0.2.10") }
                #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                #expect(try node.metrics()["exeat_dns_stale_answers_total{reason=\"late\"}"] >= 1)
                // Nobody else has it.
                #expect(try node.isRefused("pod-b", "192.0.2.10"))
                try Stopwatch.wait("the binding ends again") { try node.isRefused("pod-a", "192.0.2.10") }
            }
        }

        @Test func `with a silent upstream a redial finds its address in the expired answer`() throws {
            try scene(holdMilliseconds: 5_000, dns: Self.stale) { node, upstream in
                #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
                upstream.hold()
                try Stopwatch.wait("the binding has gone") { try node.metrics()["exeat_bindings_remembered_total"] >= 1 }
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                #expect(try node.metrics()["exeat_redials_total{outcome=\"confirmed\"}"] == 1)
            }
        }

        @Test func `the resolver's addresses are put on an interface if asked for, stay over a restart, and go with the table`() throws {
            let node = try RunningNode(NodeSettings(dns: "  interface: lo\n"), policies: Self.policies, starts: false)
            defer { node.stop() }
            func addresses() throws -> Set<String> {
                let lines = try node.lab.node.run(["ip", "-o", "address", "show", "dev", "lo"]).stdout.split(separator: "\n")
                return Set(lines.compactMap { $0.split(separator: " ").dropFirst(3).first.map(String.init) })
            }
            // One of the two is somebody else's.
            let others = try addresses()
            for command in [["169.254.20.10/32"], ["fd00:ec8a::10/128"]] {
                try #require(node.lab.node.run(["ip", "address", "del"] + command + ["dev", "lo"]).isSuccess)
            }
            try #require(node.lab.node.run(["ip", "address", "add", "fd00:ec8a::10/128", "dev", "lo", "nodad"]).isSuccess)
            try node.start()
            #expect(try addresses() == others)
            #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
            for signal in [SIGTERM, SIGKILL] {
                try node.end(signal)
                #expect(try addresses().contains("169.254.20.10/32"))
                try node.start()
            }
            #expect(try node.exeat("down").isSuccess)
            try #require(node.daemon?.wait(timeoutSeconds: 5) == 0)
            #expect(try addresses() == others.subtracting(["169.254.20.10/32"]))

            // Also where no daemon lives to do it.
            try node.start()
            try node.end(SIGKILL)
            #expect(try node.exeat("down").isSuccess)
            #expect(try addresses() == others.subtracting(["169.254.20.10/32"]))

            try node.write(settings: NodeSettings(dns: "  interface: absent0\n"))
            #expect(try node.startInVain() != 0)
            #expect(node.log.contains("dns.interface: there is no interface absent0"))
        }

        @Test func `without tracking, the address of a service that others translate is answered here and makes no entry`() throws {
            let node = try RunningNode(NodeSettings(dns: "  noTrack: true\n"), policies: Self.policies)
            defer { node.stop() }
            // As kube-proxy would bring it to a server that is not there.
            let rules = """
                add table ip foreign; add chain ip foreign out { type nat hook output priority -100; }; \
                add rule ip foreign out ip daddr 169.254.20.10 udp dport 53 dnat to 192.0.2.200:53; \
                add rule ip foreign out ip daddr 169.254.20.10 tcp dport 53 dnat to 192.0.2.200:53
                """
            try #require(node.lab.node.run(["nft", rules]).isSuccess)
            for transport in ["+notcp", "+tcp"] {
                let dig = ["dig", transport, "+time=2", "+tries=1", "+short", "@169.254.20.10", "api.example.org"]
                #expect(try node.lab.node.run(dig).stdout == "192.0.2.10\n")
            }
            #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
            let entries = try node.lab.node.run(["conntrack", "-L", "--orig-dst", "169.254.20.10"])
            #expect(entries.isSuccess && entries.stdout.isEmpty, "\(entries)")
        }

        @Test func `names of the configuration open what they say, inside addresses too, and follow their file`() throws {
            let dns = "  records: [\"10.99.0.7 inside.example.org\"]\n  hosts: {files: [hosts], ttlSeconds: 1}\n"
            try scene(holdMilliseconds: 0, dns: dns) { node, upstream in
                #expect(try node.isRefused("pod-a", "192.0.2.20"))
                #expect(try node.resolve("db.example.org", from: "pod-a") == ["192.0.2.20"])
                #expect(try node.isReached("pod-a", "192.0.2.20"))
                // The rebinding guard is for what comes from outside.
                #expect(try node.resolve("inside.example.org", from: "pod-a") == ["10.99.0.7"])
                #expect(try node.resolve("localhost", from: "pod-a") == ["127.0.0.1"])
                try "192.0.2.30 db.example.org\nnonsense\n".write(toFile: node.folder + "/hosts", atomically: true, encoding: .utf8)
                try Stopwatch.wait("the file is read") { try node.resolve("db.example.org", from: "pod-a") == ["192.0.2.30"] }
                #expect(try node.isReached("pod-a", "192.0.2.30"))
                #expect(node.log.contains("hosts:2"), "the log tells of the line that is no good")
                #expect(upstream.count(of: "db.example.org") == 0 && upstream.count(of: "localhost") == 0)
                #expect(try node.metrics()["exeat_dns_local_answers_total{source=\"hosts\"}"] >= 3)
            }
        }
    }
}
