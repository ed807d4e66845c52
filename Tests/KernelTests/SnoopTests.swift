import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// DNS that stays on its way (`dns.snoop`): answers of trusted resolvers are read where they pass.
    @Suite struct SnoopTests {
        private static let dns = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: dns}
            spec:
              order: 1
              types: [Egress]
              egress:
                - {action: Allow, protocol: UDP, destination: {ports: [53]}}
                - {action: Allow, protocol: TCP, destination: {ports: [53]}}

            """
        private static let policies = [
            "dns.yaml": dns, "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: ["*.example.org"]),
            "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", protocol: nil, domains: ["*.example.org"]),
            "rest.yaml": PolicyText.denyRest,
        ]
        private static let host = """
            apiVersion: projectcalico.org/v3
            kind: HostEndpoint
            metadata: {name: all, labels: {role: node}}
            spec: {node: node, interfaceName: "*"}
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: names}
            spec: {selector: role == "node", types: [Egress], egress: [{action: Allow, destination: {domains: ["*.example.org"]}}]}

            """

        private static func settings(_ snoop: String = "all", intercepts: Bool = false, extra: String = "") -> NodeSettings {
            NodeSettings(
                upstreams: "\"192.0.2.53\", \"2001:db8::53\"", dns: "  intercept: \(intercepts)\n  snoop: \(snoop)\n", extra: extra)
        }

        private func dig(_ node: RunningNode, _ pod: String?, _ arguments: String...) throws -> String {
            let namespace = try pod.map { try node.pod($0).namespace } ?? node.lab.node
            // Not the daemon's user, whose own questions are not read.
            let user = pod == nil ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
            return try namespace.run(user + ["dig", "+short", "+time=2", "+tries=1"] + arguments, timeoutSeconds: 10).stdout
        }

        @Test(arguments: [("192.0.2.53", "+notcp"), ("192.0.2.53", "+tcp"), ("2001:db8::53", "+notcp"), ("2001:db8::53", "+tcp")])
        func `what a pod asks a trusted resolver opens what it says, for that pod`(_ server: String, _ transport: String) throws {
            let node = try RunningNode(Self.settings(), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10", "2001:db8::10")
            #expect(try node.isRefused("pod-a", "192.0.2.10"))
            #expect(try dig(node, "pod-a", "@" + server, transport, "api.example.org") == "192.0.2.10\n")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "2001:db8::10"))
            #expect(try node.isRefused("pod-b", "192.0.2.10"), "nobody else's")
            #expect(try dig(node, "pod-a", "@" + server, transport, "api.example.org", "AAAA") == "2001:db8::10\n")
            #expect(try node.isReached("pod-a", "2001:db8::10"))
            #expect(try dig(node, "pod-a", "@" + server, transport, "api.example.org", "MX").isEmpty)
            let metrics = try node.metrics()
            #expect(metrics["exeat_dns_snooped_answers_total{result=\"learned\"}"] == 2)
            #expect(metrics["exeat_dns_snooped_answers_total{result=\"empty\"}"] == 1)
            #expect(metrics["exeat_dns_queries_total{transport=\"udp\"}"] == 0, "nothing was brought here")
        }

        @Test func `a foreign server is refused, and its answers would teach nothing`() throws {
            let node = try RunningNode(Self.settings(), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            let server = try EchoServer(namespace: node.lab.internet, addresses: [IPAddress(v4: 0xcb00_7135)], port: 53)
            defer { server.stop() }
            _ = try dig(node, "pod-a", "@203.0.113.53", "api.example.org")
            #expect(server.counts.datagrams == 0)
            #expect(try node.metrics()["exeat_verdicts_total{reason=\"builtin_foreign_dns\"}"] >= 1)
        }

        @Test func `answers that point inside do not arrive, over UDP or TCP, and good ones after them do`() throws {
            let node = try RunningNode(Self.settings(), policies: Self.policies)
            defer { node.stop() }
            for transport in ["+notcp", "+tcp"] {
                #expect(try !dig(node, "pod-a", "@192.0.2.53", transport, "private.example.org").contains("10.0.0.1"))
                #expect(try !dig(node, "pod-a", "@192.0.2.53", transport, "mixed.example.org").contains("192.0.2.60"))
                #expect(try dig(node, "pod-a", "@192.0.2.53", transport, "api.example.org") == "192.0.2.10\n")
            }
            #expect(try node.metrics()["exeat_dns_refused_total{reason=\"rebinding\"}"] >= 4)
        }

        @Test func `an answer of 64 KB over TCP opens all of its addresses`() throws {
            let addresses = (0..<2_000).map { IPAddress(v4: 0xc612_0001 + UInt32($0)).description }
            let node = try RunningNode(
                Self.settings(extra: "limits: {connectionsPerSecond: 50000, connectionsBurst: 50000}\n"),
                zones: ["ladder.example.org": addresses.map { "n 300 A \($0)" }.joined(separator: "\n")], policies: Self.policies)
            defer { node.stop() }
            let answer = try dig(node, "pod-a", "@192.0.2.53", "n.ladder.example.org").split(separator: "\n").map(String.init)
            #expect(Set(answer) == Set(addresses))
            let parsed = addresses.compactMap { IPAddress(parsing: $0) }
            let unreached = try node.pod("pod-a").namespace.withThread {
                parsed.filter { LabClient.connect(to: $0, port: 80).outcome != .answered }
            }
            #expect(unreached.isEmpty, "\(unreached.count): \(unreached.prefix(5))")
        }

        @Test func `answers to nobody and late ones do not reach a pod`() throws {
            let node = try RunningNode(
                NodeSettings(
                    upstream: PatientUpstream.address.description, dns: "  intercept: false\n  snoop: all\n"),
                policies: Self.policies, starts: false)
            defer { node.stop() }
            let upstream = try PatientUpstream(in: node.lab.internet, timeToLive: 60)
            defer { try? upstream.stop() }
            upstream.set("api.example.org", "192.0.2.10")
            try node.start()
            try node.echo("192.0.2.10", "192.0.2.66")
            let server = "@" + PatientUpstream.address.description
            #expect(try dig(node, "pod-a", server, "api.example.org") == "192.0.2.10\n")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            // A crash forgets who has asked: what comes then is dropped, and asking again works.
            upstream.hold()
            upstream.set("late.example.org", "192.0.2.66")
            let late = try node.pod("pod-a").namespace.spawn(["dig", "+time=20", "+tries=1", server, "late.example.org"])
            defer { late.kill(SIGTERM) }
            try Stopwatch.wait("the question was seen") {
                try node.metrics()["exeat_dns_snooped_questions_total{result=\"noted\"}"] >= 2
            }
            try node.end(SIGKILL)
            try node.start()
            upstream.release()
            try Stopwatch.wait("its answer came too late") {
                try node.metrics()["exeat_dns_snooped_answers_total{result=\"unasked\"}"] >= 1
            }
            #expect(try node.isRefused("pod-a", "192.0.2.66"))
            #expect(try dig(node, "pod-a", server, "late.example.org") == "192.0.2.66\n")
            #expect(try node.isReached("pod-a", "192.0.2.66"))
        }

        @Test func `a question that waits in the queue outlives the daemon, and its answer is read by the next`() throws {
            let node = try RunningNode(Self.settings(), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            // Known to the kernel, so that nothing but the question waits.
            #expect(try dig(node, "pod-a", "-b", "0.0.0.0#4444", "@192.0.2.53", "echo.example.org") == "192.0.2.7\n")
            _ = try node.suspend()
            let asking = try node.pod("pod-a").namespace.spawn(
                ["dig", "+short", "+time=20", "+tries=1", "-b", "0.0.0.0#4444", "@192.0.2.53", "api.example.org"],
                output: node.lab.directory + "/dig.log")
            defer { asking.kill(SIGTERM) }
            try Stopwatch.wait("it waits") {
                let statistics = try node.lab.node.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout
                return statistics.split(separator: "\n").map { $0.split(separator: " ") }.contains { $0[0] == "102" && $0[2] != "0" }
            }
            try node.end(SIGKILL)
            try node.start()
            #expect(asking.wait(timeoutSeconds: 10) == 0)
            #expect(try String(contentsOfFile: node.lab.directory + "/dig.log", encoding: .utf8) == "192.0.2.10\n")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
        }

        @Test func `a trusted server that begins to talk does not reach a pod, over UDP or TCP`() throws {
            let node = try RunningNode(
                NodeSettings(upstream: PatientUpstream.address.description, dns: "  intercept: false\n  snoop: all\n"),
                policies: Self.policies)
            defer { node.stop() }
            let pod = try node.pod("pod-a")
            let listener = try EchoServer(namespace: pod.namespace, addresses: [try #require(pod.addresses.first)], port: 4_000)
            defer { listener.stop() }
            func talk(_ port: Int) throws {
                for transport in ["+notcp", "+tcp"] {
                    _ = try node.lab.internet.run([
                        "dig", transport, "+time=1", "+tries=1", "-b", "\(PatientUpstream.address)#\(port)", "-p", "4000",
                        "@\(try #require(pod.addresses.first))", "api.example.org",
                    ])
                }
            }
            try talk(53)
            #expect(listener.counts.datagrams == 0 && listener.counts.connections == 0)
            #expect(try node.metrics()["exeat_kernel_refused_packets_total{reason=\"snooped_unasked\"}"] >= 2)
            #expect(try node.metrics()["exeat_dns_snooped_answers_total{result=\"unasked\"}"] == 0, "the kernel decides that")
            try talk(5_300)
            #expect(listener.counts.datagrams >= 1 && listener.counts.connections >= 1, "what is no DNS arrives")
        }

        @Test func `connections that are over make room for as many as a pod likes`() throws {
            let node = try RunningNode(Self.settings(), policies: Self.policies)
            defer { node.stop() }
            let names = Array(repeating: "api.example.org", count: 200)
            let answers = try node.pod("pod-a").namespace.run(
                ["dig", "+tcp", "+short", "+time=2", "+tries=1", "@192.0.2.53"] + names, timeoutSeconds: 60
            ).stdout.split(separator: "\n")
            #expect(answers.count == names.count && Set(answers) == ["192.0.2.10"], "\(answers.count)")
            #expect(try node.metrics()["exeat_dns_snooped_segments_total{result=\"full\"}"] == 0)
        }

        @Test func `a service with its port elsewhere is read`() throws {
            var policies = Self.policies
            policies["dns.yaml"] = Self.dns.replacing("[53]", with: "[53, 5353]")
            policies["servers.yaml"] = """
                apiVersion: projectcalico.org/v3
                kind: FelixConfiguration
                metadata: {name: default}
                spec: {dnsTrustedServers: ["203.0.113.53"]}

                """
            let node = try RunningNode(Self.settings(), policies: policies)
            defer { node.stop() }
            try node.echo("192.0.2.10", "192.0.2.7")
            let there = """
                add table ip foreign; add chain ip foreign in { type nat hook prerouting priority -100; }; \
                add rule ip foreign in ip daddr 192.0.2.53 udp dport 5353 dnat to 192.0.2.53:53; \
                add rule ip foreign in ip daddr 192.0.2.53 tcp dport 5353 dnat to 192.0.2.53:53
                """
            try #require(node.lab.internet.run(["nft", there]).isSuccess)
            let here = """
                add table ip foreign; add chain ip foreign in { type nat hook prerouting priority -100; }; \
                add rule ip foreign in ip daddr 203.0.113.53 udp dport 53 dnat to 192.0.2.53:5353; \
                add rule ip foreign in ip daddr 203.0.113.53 tcp dport 53 dnat to 192.0.2.53:5353
                """
            try #require(node.lab.node.run(["nft", here]).isSuccess)
            #expect(try dig(node, "pod-a", "@203.0.113.53", "+notcp", "api.example.org") == "192.0.2.10\n")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try dig(node, "pod-a", "@203.0.113.53", "+tcp", "echo.example.org") == "192.0.2.7\n")
            #expect(try node.isReached("pod-a", "192.0.2.7"))
        }

        @Test func `a trusted resolver that policy selects is named in the log`() throws {
            var policies = Self.policies
            policies["servers.yaml"] = """
                apiVersion: projectcalico.org/v3
                kind: FelixConfiguration
                metadata: {name: default}
                spec: {dnsTrustedServers: ["10.65.0.3"]}

                """
            let node = try RunningNode(Self.settings(), policies: policies)
            defer { node.stop() }
            try Stopwatch.wait("it is named") { node.log.contains("policy selects trusted resolvers") }
            #expect(node.log.contains("10.65.0.3"))
        }

        @Test func `a resolver on the node itself is read once, for its pods and its own processes`() throws {
            var policies = Self.policies
            policies["host.yaml"] = Self.host
            let node = try RunningNode(
                NodeSettings(upstream: PatientUpstream.address.description, dns: "  intercept: false\n  snoop: all\n"),
                policies: policies, starts: false)
            defer { node.stop() }
            let address = PatientUpstream.address.description
            try #require(node.lab.node.run(["ip", "address", "add", address + "/32", "dev", "lo"]).isSuccess)
            let resolver = try PatientUpstream(in: node.lab.node, timeToLive: 60)
            defer { try? resolver.stop() }
            resolver.set("api.example.org", "192.0.2.10")
            try node.start()
            try node.echo("192.0.2.10")
            #expect(try dig(node, nil, "@" + address, "api.example.org") == "192.0.2.10\n")
            #expect(try node.isReached(nil, "192.0.2.10"))
            #expect(try node.metrics()["exeat_dns_snooped_questions_total{result=\"noted\"}"] == 1)
            #expect(try node.metrics()["exeat_dns_snooped_answers_total{result=\"learned\"}"] == 1)
            #expect(try node.isRefused("pod-a", "192.0.2.10"))
            #expect(try dig(node, "pod-a", "@" + address, "api.example.org") == "192.0.2.10\n")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.metrics()["exeat_dns_snooped_answers_total{result=\"unasked\"}"] == 0)
            #expect(try node.metrics()["exeat_dns_snooped_answers_total{result=\"unread\"}"] == 0)
        }

        @Test func `one pod's questions are held back beyond its rate, and not another's`() throws {
            let node = try RunningNode(
                Self.settings(extra: "limits: {queriesPerSecond: 5, queriesBurst: 5}\n"), policies: Self.policies)
            defer { node.stop() }
            let flooder = try node.pod("pod-a").namespace.spawn(
                ["dig", "+time=1", "+tries=1", "@192.0.2.53"] + (0..<30).map { "n\($0).example.org" })
            defer { flooder.kill(SIGTERM) }
            try Stopwatch.wait("it is held back", seconds: 20) {
                try node.metrics()["exeat_kernel_refused_packets_total{reason=\"query_rate\"}"] >= 1
            }
            #expect(try dig(node, "pod-b", "@192.0.2.53", "api.example.org") == "192.0.2.10\n")
        }

        @Test(arguments: ["node", "all"])
        func `the node's own processes learn from what a trusted resolver tells them, and not from what it tells the daemon`(
            _ snoop: String
        ) throws {
            let intercepts = snoop == "node"
            var policies = Self.policies
            policies["host.yaml"] = Self.host
            let ladder = (1...100).map { "n 300 A 198.18.0.\($0)" }.joined(separator: "\n")
            let node = try RunningNode(
                Self.settings(snoop, intercepts: intercepts), zones: ["ladder.example.org": ladder], policies: policies)
            defer { node.stop() }
            try node.echo("192.0.2.10", "192.0.2.30", "192.0.2.7")
            #expect(try node.isRefused(nil, "192.0.2.10"))
            #expect(try dig(node, nil, "@192.0.2.53", "api.example.org") == "192.0.2.10\n")
            #expect(try node.isReached(nil, "192.0.2.10"))
            #expect(try dig(node, nil, "@192.0.2.53", "+tcp", "echo.example.org") == "192.0.2.7\n")
            #expect(try node.isReached(nil, "192.0.2.7"))
            // The daemon asks for a pod, from the same address.
            #expect(try node.resolve("short.example.org", from: "pod-a") == ["192.0.2.30"])
            #expect(try node.isReached("pod-a", "192.0.2.30"))
            #expect(try node.isRefused(nil, "192.0.2.30"))
            // Over TCP too, as the answer is too long for UDP.
            #expect(try dig(node, "pod-a", "@169.254.20.10", "n.ladder.example.org").split(separator: "\n").count == 100)
            #expect(try node.metrics()["exeat_dns_upstream_truncated_total"] >= 1)
            let long = IPAddress(v4: 0xc612_0032)
            #expect(try node.pod("pod-a").namespace.withThread { LabClient.connect(to: long, port: 80).outcome } == .answered)
            #expect(try node.lab.node.withThread { LabClient.connect(to: long, port: 80).outcome } != .answered)
            #expect(try node.metrics()["exeat_dns_snooped_answers_total{result=\"unasked\"}"] == 0)
            if intercepts {
                let before = try node.metrics()["exeat_dns_queries_total{transport=\"udp\"}"]
                #expect(try dig(node, "pod-a", "@192.0.2.53", "api.example.org") == "192.0.2.10\n")
                #expect(try node.metrics()["exeat_dns_queries_total{transport=\"udp\"}"] == before + 1, "what pods ask is brought here")
            }
        }

        @Test func `servers whose answers the node's processes get unseen are named`() throws {
            var policies = Self.policies
            policies["host.yaml"] = Self.host
            let node = try RunningNode(policies: policies, starts: false)
            defer { node.stop() }
            let path = node.lab.directory + "/resolv.conf"
            try "nameserver 192.0.2.53\nnameserver 169.254.20.10\nnameserver 203.0.113.53\n".write(
                toFile: path, atomically: true, encoding: .utf8)
            for (snoop, expected) in [("none", "192.0.2.53, 203.0.113.53"), ("node", "203.0.113.53")] {
                var settings = Self.settings(snoop, intercepts: true)
                settings.dns += "  resolvConf: \(path)\n"
                try node.write(settings: settings)
                try node.start()
                try Stopwatch.wait("they are named") { try node.status()["other_resolver"] as? String == expected }
                try node.end(SIGTERM)
            }
        }

        @Test func `lines of the DNS log tell what was read`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            var settings = Self.settings()
            settings.extra = "dnsLog:\n  path: \(node.lab.directory)/dns.jsonl\n  flushSeconds: 1\n"
            try node.write(settings: settings)
            try node.start()
            #expect(try dig(node, "pod-a", "@192.0.2.53", "api.example.org") == "192.0.2.10\n")
            try Stopwatch.wait("a line is written", seconds: 20) {
                let text = (try? String(contentsOfFile: node.lab.directory + "/dns.jsonl", encoding: .utf8)) ?? ""
                return text.contains("\"snooped\":1") && text.contains("\"pod-a\"") && text.contains("192.0.2.10")
            }
        }

        @Test func `in audit mode answers pass whatever they say`() throws {
            var settings = Self.settings()
            settings.mode = "audit"
            let node = try RunningNode(settings, policies: Self.policies)
            defer { node.stop() }
            #expect(try dig(node, "pod-a", "@192.0.2.53", "private.example.org") == "10.0.0.1\n")
            #expect(try dig(node, "pod-a", "@192.0.2.53", "api.example.org") == "192.0.2.10\n")
            #expect(try node.metrics()["exeat_dns_snooped_answers_total{result=\"learned\"}"] == 1)
        }

        @Test func `a name that no rule could allow is refused when it is asked for`() throws {
            var settings = Self.settings()
            settings.dns += "  queryPolicy: allowed\n"
            let node = try RunningNode(settings, policies: Self.policies)
            defer { node.stop() }
            let start = Stopwatch()
            #expect(try !dig(node, "pod-a", "@192.0.2.53", "files.example.test").contains("203.0.113.10"))
            #expect(start.seconds < 1.5, "it need not wait for the end of its patience")
            let second = Stopwatch()
            #expect(try !dig(node, "pod-a", "@192.0.2.53", "+tcp", "files.example.test").contains("203.0.113.10"))
            #expect(second.seconds < 1.5, "a reset tells it")
            #expect(try dig(node, "pod-a", "@192.0.2.53", "api.example.org") == "192.0.2.10\n")
            #expect(try node.metrics()["exeat_dns_refused_total{reason=\"not_allowed_name\"}"] >= 2)
        }
    }
}
