import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Host endpoints: what policy cannot close, and what a start may not cut.
    @Suite struct HostTests {
        /// Closed but for its failsafe ports.
        private static let host = """
            apiVersion: projectcalico.org/v3
            kind: HostEndpoint
            metadata: {name: all, labels: {role: node}}
            spec: {node: node, interfaceName: "*"}

            """
        private static let nodeAddress = IPAddress(v4: 0x0a63_0001)
        private static let farAddress = IPAddress(v4: 0xc000_020a)

        @Test(arguments: ["keep", "reevaluate"])
        func `a start cuts neither sessions into the node nor loopback nor flows to failsafe ports, whoever speaks first`(
            _ choice: String
        ) throws {
            let node = try RunningNode(
                NodeSettings(extra: "existingFlows: \(choice)"), policies: ["host.yaml": Self.host], starts: false)
            defer { node.stop() }
            let servers = try [
                EchoServer(namespace: node.lab.node, addresses: [Self.nodeAddress], port: 22),
                EchoServer(namespace: node.lab.node, addresses: [IPAddress(v4: 0x7f00_0001)], port: 7_001),
                EchoServer(namespace: node.lab.internet, addresses: [Self.farAddress], port: 6_443),
                EchoServer(namespace: node.lab.internet, addresses: [Self.farAddress], port: RunningNode.echoPort),
            ]
            defer { for server in servers { server.stop() } }
            let session = try EchoStream(in: node.lab.internet, to: Self.nodeAddress, port: 22)
            let loopback = try EchoStream(in: node.lab.node, to: IPAddress(v4: 0x7f00_0001), port: 7_001)
            let apiServer = try EchoStream(in: node.lab.node, to: Self.farAddress, port: 6_443)
            let other = try EchoStream(in: node.lab.node, to: Self.farAddress, port: RunningNode.echoPort)
            // Not a failsafe port: whoever calls the node is not its egress.
            let web = try PushPair(to: Self.nodeAddress, port: 8_443, from: node.lab.internet, in: node.lab.node)
            let bgp = try PushPair(to: Self.nodeAddress, port: 179, from: node.lab.internet, in: node.lab.node)

            try node.start()
            #expect(web.push(), "the node speaks first")
            #expect(bgp.push(), "the node speaks first")
            for stream in [session, loopback, apiServer] { #expect(stream.exchange() == .echoed) }
            #expect(other.exchange() == (choice == "keep" ? .echoed : .ended(errno: ECONNRESET)), "egress that nothing allows")
            #expect(try node.isRefused(nil, "192.0.2.10"), "a new flow")
            #expect(try node.isReached(nil, "192.0.2.10", port: 6_443))

            // Nor do a change of policy, a crash and the next start.
            try node.afterReload { try node.write(policy: "host.yaml", Self.host + "  # changed\n") }
            try node.end(SIGKILL)
            #expect(session.exchange() == .echoed)
            try node.start()
            #expect(web.push())
            for stream in [session, loopback, apiServer] { #expect(stream.exchange() == .echoed) }
        }

        @Test func `what conntrack picked up in the middle of a session to a failsafe port is put right`() throws {
            let node = try RunningNode(
                NodeSettings(extra: "existingFlows: reevaluate"), policies: ["host.yaml": Self.host], starts: false)
            defer { node.stop() }
            let ssh = try PushPair(to: Self.nodeAddress, port: 22, from: node.lab.internet, in: node.lab.node)
            let rules = """
                add table inet others; add chain inet others output { type filter hook output priority 0; };
                add rule inet others output ct state established accept
                """
            try #require(node.lab.node.run(["nft", rules]).isSuccess)
            #expect(ssh.push(), "the first packet that conntrack sees comes from the node")
            try node.start()
            for _ in 1...3 { #expect(ssh.push()) }
        }

        @Test func `a session that slept goes on when host endpoints come while the daemon runs`() throws {
            let node = try RunningNode(policies: [:], starts: false)
            defer { node.stop() }
            let ssh = try PushPair(to: Self.nodeAddress, port: 22, from: node.lab.internet, in: node.lab.node)
            let web = try PushPair(to: Self.nodeAddress, port: 8_443, from: node.lab.internet, in: node.lab.node)
            try node.start()
            try node.echo("192.0.2.10")
            try node.afterReload { try node.write(policy: "host.yaml", Self.host) }
            #expect(try node.isRefused(nil, "192.0.2.10"))
            for pair in [ssh, web] { #expect(pair.push()) }
        }

        /// A poll every 5 s would need 30 s for the six.
        @Test func `a new address of the node is policed when it is announced`() throws {
            let node = try RunningNode(policies: ["host.yaml": Self.host])
            defer { node.stop() }
            let start = Stopwatch()
            for number in 1...6 {
                let address = "10.99.77.\(number)"
                try #require(node.lab.node.run(["ip", "addr", "add", "\(address)/32", "dev", "lo"]).isSuccess)
                try Stopwatch.wait("\(address) is policed", seconds: 10) {
                    try node.lab.node.run(["nft", "get", "element", "inet", "exeat", "policed4", "{ \(address) }"]).isSuccess
                }
            }
            #expect(start.seconds < 20)
            let url = "http://192.0.2.10:\(RunningNode.echoPort)/"
            let curl = try node.lab.node.run(["curl", "-s", "-m", "5", "--interface", "10.99.77.6", url], timeoutSeconds: 10)
            #expect(curl.status == 7, "refused: \(curl.status)")
            try #require(node.lab.node.run(["ip", "addr", "del", "10.99.77.6/32", "dev", "lo"]).isSuccess)
            try Stopwatch.wait("10.99.77.6 is policed no longer", seconds: 10) {
                try !node.lab.node.run(["nft", "get", "element", "inet", "exeat", "policed4", "{ 10.99.77.6 }"]).isSuccess
            }
        }

        @Test func `of DNS a closed node reaches its trusted resolvers alone`() throws {
            let node = try RunningNode(policies: ["host.yaml": Self.host])
            defer { node.stop() }
            let foreign = IPAddress(v4: 0xcb00_7135)
            let server = try EchoServer(namespace: node.lab.internet, addresses: [foreign], port: 53)
            defer { server.stop() }
            for option in ["+notcp", "+tcp"] {
                let answer = try node.lab.node.run(["dig", option, "+time=2", "+tries=1", "+short", "@192.0.2.53", "api.example.org"])
                #expect(answer.stdout.contains("192.0.2.10"), "\(option): \(answer.stdout)")
            }
            let outcome = try node.lab.node.withThread { LabClient.udp(to: foreign, port: 53, timeoutMilliseconds: 500).outcome }
            #expect(outcome != .answered)
            #expect(try node.isRefused(nil, foreign.description, port: 53))
            #expect(server.counts.datagrams == 0 && server.counts.connections == 0)

            // A port with `net` is what somebody wanted.
            try node.afterReload {
                try node.write(
                    policy: "felix.yaml",
                    """
                    apiVersion: projectcalico.org/v3
                    kind: FelixConfiguration
                    metadata: {name: default}
                    spec: {failsafeOutboundHostPorts: [{protocol: udp, port: 53, net: 203.0.113.53/32}]}
                    """)
            }
            let allowed = try node.lab.node.withThread { LabClient.udp(to: foreign, port: 53, timeoutMilliseconds: 2_000).outcome }
            #expect(allowed == .answered)
            let answer = try node.lab.node.withThread { LabClient.resolve("api.example.org", server: RunningNode.resolver) }
            #expect(!answer.addresses.isEmpty, "the node's own resolver asks its upstream whatever the list says")
        }

        /// It asks at an address on another interface, and from it.
        @Test(arguments: ["*", "eth0"])
        func `the node's own processes reach what their names resolve to, whichever interface the endpoint is of`(_ interface: String)
            throws
        {
            let node = try RunningNode(policies: [:], starts: false)
            defer { node.stop() }
            try node.write(
                policy: "host.yaml",
                Self.host.replacing("\"*\"", with: "\"\(interface)\"") + """
                    ---
                    apiVersion: projectcalico.org/v3
                    kind: GlobalNetworkPolicy
                    metadata: {name: names}
                    spec: {selector: role == "node", types: [Egress], egress: [{action: Allow, destination: {domains: [api.example.org]}}]}

                    """)
            try node.start()
            try node.echo("192.0.2.10")
            #expect(try node.isRefused(nil, "192.0.2.10"))
            let answer = try node.lab.node.run(["dig", "+short", "@169.254.20.10", "api.example.org"])
            #expect(answer.stdout.contains("192.0.2.10"))
            #expect(try node.isReached(nil, "192.0.2.10"))
        }

        @Test func `a stub resolver of the node is named while there are host endpoints`() throws {
            let node = try RunningNode(policies: [:], starts: false)
            defer { node.stop() }
            let path = node.lab.directory + "/resolv.conf"
            try "search example.org\nnameserver 127.0.0.53\noptions edns0\n".write(toFile: path, atomically: true, encoding: .utf8)
            try node.write(settings: NodeSettings(dns: "  resolvConf: \(path)\n"))
            let stub = try EchoServer(namespace: node.lab.node, addresses: [IPAddress(v4: 0x7f00_0035)], port: 53)
            defer { stub.stop() }
            try node.start()
            #expect(try node.status()["stub_resolver"] == nil, "nobody is concerned")
            try node.afterReload { try node.write(policy: "host.yaml", Self.host) }
            try Stopwatch.wait("the stub resolver is reported") { try node.status()["stub_resolver"] != nil }
            let text = try #require(try node.status()["stub_resolver"] as? String)
            #expect(text.hasPrefix("127.0.0.53, ") && text.contains("(pid \(getpid()))"), "\(text)")
            #expect(node.log.contains("the processes of this node ask a stub resolver"))
            try node.afterReload { try node.remove(policy: "host.yaml") }
            #expect(try node.status()["stub_resolver"] == nil)
            let doctor = try node.lab.node.run([Program.path, "doctor", "--resolv-conf", path], timeoutSeconds: 15)
            #expect(doctor.stdout.contains("stub resolver: 127.0.0.53, "), "\(doctor.stdout)")
        }
    }
}
