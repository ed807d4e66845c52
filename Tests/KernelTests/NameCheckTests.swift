import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// `exeat.io/verify-name`: the name in the hello, on real connections.
    @Suite struct NameCheckTests {
        static let address = "192.0.2.10"

        /// `api` and its siblings share an address; nothing in policy tells them apart but their names.
        static let zones = [
            "shared.test": """
            api      300 A 192.0.2.10
            sibling  300 A 192.0.2.10
            stranger 300 A 192.0.2.10
            """
        ]

        static func policy(_ value: String, _ domains: [String] = ["*.shared.test"], ports: String? = nil) -> String {
            PolicyText.allow("shop", protocol: nil, domains: domains).replacing(
                "  namespace: default\n",
                with: """
                      namespace: default
                      annotations:
                        exeat.io/verify-name: "\(value)"\(ports.map { "\n    exeat.io/verify-name-ports: \"\($0)\"" } ?? "")

                    """, maxReplacements: 1)
        }

        static func node(
            _ value: String, domains: [String] = ["*.shared.test"], settings: NodeSettings = NodeSettings()
        ) throws -> RunningNode {
            let node = try RunningNode(
                settings, zones: zones, policies: ["shop.yaml": policy(value, domains), "rest.yaml": PolicyText.denyRest])
            do {
                for name in ["api", "sibling"] { try node.resolve("\(name).shared.test", from: "pod-a") }
                return node
            } catch {
                node.stop()
                throw error
            }
        }

        /// curl out of pod-a, by this name or address; what the server said, or nil.
        private static func fetch(_ node: RunningNode, _ url: String, _ arguments: String...) throws -> String? {
            let pins = ["api", "sibling", "stranger"].flatMap { name in
                [80, 443].flatMap { ["--resolve", "\(name).shared.test:\($0):\(address)"] }
            }
            let result = try node.pod("pod-a").namespace.run(
                ["curl", "-sk", "-m", "4", "--noproxy", "*"] + pins + arguments + [url], timeoutSeconds: 8)
            return result.isSuccess ? result.stdout : nil
        }

        @Test func `with require the name that was resolved passes, in TLS and in plain HTTP, and another is reset`() throws {
            let node = try Self.node("require")
            defer { node.stop() }
            let witness = try Witness(in: node.lab, dataTo: try #require(IPAddress(parsing: Self.address)))

            for url in [
                "https://stranger.shared.test/", "http://stranger.shared.test/", "https://\(Self.address)/", "http://\(Self.address)/",
            ] {
                let watch = Stopwatch()
                #expect(try Self.fetch(node, url) == nil, "\(url)")
                // A reset, long before curl or the wait for a hello gives up.
                #expect(watch.seconds < 3, "\(url)")
            }
            #expect(try witness.packets() == 0, "no data reached the far side")
            let mismatch = try node.flow("pod-a", to: Self.address) { $0.nameCheck == "mismatch" }
            #expect(mismatch.verdict == "reject")
            #expect(mismatch.reason == "name_mismatch")
            #expect(mismatch.seenName == "stranger.shared.test")
            for fault in ["no_server_name", "address_literal"] {
                let flow = try node.flow("pod-a", to: Self.address) { $0.detail == fault }
                #expect(flow.reason == "name_unreadable")
                #expect(flow.nameCheck == "unreadable")
            }

            for name in ["api", "sibling"] {
                for scheme in ["https", "http"] {
                    let answer = try Self.fetch(node, "\(scheme)://\(name).shared.test/")
                    #expect(answer == "\(name).shared.test at \(Self.address)\n", "\(scheme) \(name)")
                }
            }
            #expect(try witness.packets() > 0)
            let match = try node.flow("pod-a", to: Self.address) { $0.nameCheck == "match" && $0.seenName == "sibling.shared.test" }
            #expect(match.verdict == "allow")
            #expect(match.names == ["sibling.shared.test"])
            let metrics = try node.metrics()
            #expect(metrics["exeat_name_checks_total{result=\"match\"}"] == 4)
            #expect(metrics["exeat_name_checks_total{result=\"mismatch\"}"] == 2)
            #expect(metrics["exeat_name_check_faults_total{fault=\"no_server_name\"}"] == 1)
            #expect(metrics["exeat_name_check_faults_total{fault=\"address_literal\"}"] == 1)
            #expect(metrics["exeat_name_check_waiting_packets"] == 0)
            #expect(metrics["exeat_kernel_leased_flows_total"] == 0)

            // What it has resolved since is as good.
            try node.resolve("stranger.shared.test", from: "pod-a")
            #expect(try Self.fetch(node, "https://stranger.shared.test/") != nil)
        }

        @Test func `with observe everything passes and is counted`() throws {
            let node = try Self.node("observe")
            defer { node.stop() }
            for url in ["https://api.shared.test/", "https://stranger.shared.test/", "https://\(Self.address)/", "http://\(Self.address)/"]
            {
                #expect(try Self.fetch(node, url) != nil, "\(url)")
            }
            let metrics = try node.metrics()
            #expect(metrics["exeat_name_checks_total{result=\"match\"}"] == 1)
            #expect(metrics["exeat_name_checks_total{result=\"mismatch\"}"] == 1)
            #expect(metrics["exeat_name_checks_total{result=\"unreadable\"}"] == 2)
            let mismatch = try node.flow("pod-a", to: Self.address) { $0.nameCheck == "mismatch" }
            #expect(mismatch.verdict == "allow")
        }

        @Test func `with observe a connection is asked about once before its hello, and a hello that comes backwards is read`() throws {
            let node = try Self.node("observe", settings: NodeSettings(extra: "kernelLeases: false\n"))
            defer { node.stop() }
            let address = try #require(IPAddress(parsing: Self.address))
            let pod = try node.pod("pod-a")
            let request = Array("GET / HTTP/1.1\r\nHost: api.shared.test\r\nConnection: close\r\n\r\n".utf8)
            let halves = [(24, Array(request[24...])), (0, Array(request[..<24]))]
            for (port, segments) in [(UInt16(42_001), [(0, request)]), (42_002, halves)] {
                let asked = try node.queuedPackets()
                #expect(try ScriptedConnection(in: pod, to: address, port: 80, from: port).send(segments) == .data)
                let count = try node.queuedPackets() - asked
                #expect(count == 1 + Double(segments.count))
            }
            #expect(try node.metrics()["exeat_name_checks_total{result=\"match\"}"] == 2)
        }

        @Test func `with observe connections begin by a lease, and what each says is read all the same`() throws {
            let node = try Self.node("observe")
            defer { node.stop() }
            for _ in 0..<2 {
                for url in ["https://api.shared.test/", "https://stranger.shared.test/", "http://sibling.shared.test/"] {
                    #expect(try Self.fetch(node, url) != nil, "\(url)")
                }
            }
            let address = try #require(IPAddress(parsing: Self.address))
            let pod = try node.pod("pod-a")
            let request = Array("GET / HTTP/1.1\r\nHost: api.shared.test\r\nConnection: close\r\n\r\n".utf8)
            let asked = try node.queuedPackets()
            #expect(try ScriptedConnection(in: pod, to: address, port: 80, from: 42_001).send([(0, request)]) == .data)
            #expect(try node.queuedPackets() == asked + 1)
            let metrics = try node.metrics()
            #expect(metrics["exeat_name_checks_total{result=\"match\"}"] == 5)
            #expect(metrics["exeat_name_checks_total{result=\"mismatch\"}"] == 2)
            #expect(metrics["exeat_name_checks_total{result=\"unreadable\"}"] == 0)
            try Stopwatch.wait("the kernel's counter") { try node.metrics()["exeat_kernel_leased_flows_total"] == 5 }
            // Nothing passes by a lease of the policy before.
            try node.afterReload { try node.write(policy: "shop.yaml", Self.policy("require")) }
            for _ in 0..<2 {
                #expect(try Self.fetch(node, "https://stranger.shared.test/") == nil)
                #expect(try Self.fetch(node, "https://api.shared.test/") != nil)
            }
            #expect(try node.metrics()["exeat_kernel_leased_flows_total"] == 5)
        }

        @Test func `with off nothing is looked at and flows go by leases`() throws {
            let node = try Self.node("off")
            defer { node.stop() }
            for _ in 0..<3 { #expect(try Self.fetch(node, "https://stranger.shared.test/") != nil) }
            let metrics = try node.metrics()
            for result in ["match", "mismatch", "unreadable"] { #expect(metrics["exeat_name_checks_total{result=\"\(result)\"}"] == 0) }
            try Stopwatch.wait("the kernel's counter") { try node.metrics()["exeat_kernel_leased_flows_total"] >= 2 }
        }

        @Test func `in audit mode a name that is not good is told of and passes`() throws {
            var settings = NodeSettings()
            settings.mode = "audit"
            let node = try Self.node("require", settings: settings)
            defer { node.stop() }
            #expect(try Self.fetch(node, "https://stranger.shared.test/") != nil)
            let flow = try node.flow("pod-a", to: Self.address) { $0.nameCheck == "mismatch" }
            #expect(flow.verdict == "audit_deny")
            #expect(flow.reason == "name_mismatch")
        }

        @Test func `a request in pieces, backwards or twice is put together, and one that overlaps and differs is refused`() throws {
            let node = try Self.node("require")
            defer { node.stop() }
            let good = Array("GET / HTTP/1.1\r\nHost: api.shared.test\r\nConnection: close\r\n\r\n".utf8)
            let bad = Array("GET / HTTP/1.1\r\nHost: evil.shared.test\r\nConnection: close\r\n\r\n".utf8)
            let middle = 24  // within the name
            let pieces = [(0, Array(good[..<middle])), (middle, Array(good[middle...]))]
            let shapes: [(String, [(Int, [UInt8])], Bool)] = [
                ("whole", [(0, good)], true), ("split within the name", pieces, true), ("reversed", pieces.reversed(), true),
                ("byte by byte", good.enumerated().map { ($0.offset, [$0.element]) }, true),
                ("overlapping and equal", [(0, Array(good[..<30])), (10, Array(good[10...]))], true),
                ("overlapping and differing", [(5, Array(good[5...])), (0, Array(bad[..<40]))], false),
                ("a good name over a bad one", [(22, Array(bad[22...])), (0, good)], false), ("another name", [(0, bad)], false),
            ]
            let witness = try Witness(in: node.lab, dataTo: try #require(IPAddress(parsing: Self.address)))
            let pod = try node.pod("pod-a")
            var port: UInt16 = 41_000
            for (shape, segments, isGood) in shapes {
                port += 1
                let before = try witness.packets()
                let connection = try ScriptedConnection(in: pod, to: try #require(IPAddress(parsing: Self.address)), port: 80, from: port)
                let answer = try connection.send(segments)
                if isGood {
                    #expect(answer == .data, "\(shape)")
                } else {
                    #expect(answer == .reset, "\(shape)")
                    #expect(try witness.packets() == before, "\(shape): no data at the far side")
                }
            }
        }

        @Test func `of QUIC every long header is read, short ones are the kernel's, and a change of policy ends that`() throws {
            let node = try RunningNode(
                zones: Self.zones,
                policies: ["shop.yaml": Self.policy("require", ports: "udp:7000"), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo(Self.address)
            for name in ["api", "sibling"] { try node.resolve("\(name).shared.test", from: "pod-a") }
            let address = try #require(IPAddress(parsing: Self.address))
            func client() throws -> DatagramClient {
                try DatagramClient(in: node.pod("pod-a").namespace, to: address, port: RunningNode.echoPort)
            }
            let short: [UInt8] = [0x40] + Array(repeating: 7, count: 40)

            #expect(try !client().isEchoed(short), "a flow that does not begin with a hello")
            #expect(try !client().isEchoed(InitialDatagram.stranger), "a name that was not resolved")

            let split = try client()
            split.send(InitialDatagram.first)
            #expect(split.answers() == 0, "half a name")
            split.send(InitialDatagram.second)
            #expect(split.answers() == 2, "both datagrams leave together")

            let good = try client()
            #expect(good.isEchoed(InitialDatagram.api))
            let queued = try node.queuedPackets()
            for _ in 0..<10 { #expect(good.isEchoed(short)) }
            #expect(try node.queuedPackets() == queued, "short headers and replies stay in the kernel")
            #expect(!good.isEchoed(InitialDatagram.stranger), "another name in the same flow")
            #expect(!good.isEchoed(short), "it is refused for good")

            try node.afterReload { try node.write(policy: "shop.yaml", Self.policy("require", ["api.shared.test"], ports: "udp:7000")) }
            try Stopwatch.wait("the flow whose name is allowed no more is cut", seconds: 4) { !split.isEchoed(short) }
            let flow = try node.flow("pod-a", to: Self.address) { $0.seenName == "stranger.shared.test" }
            #expect(flow.reason == "name_mismatch")
        }

        @Test func `long headers beyond an endpoint's rate are dropped ahead of the queue, and another's hello is read`() throws {
            let shop = Self.policy("require", ports: "udp:7000")
            let batch = shop.replacing("name: shop", with: "name: batch").replacing("\"shop\"", with: "\"batch\"")
            let node = try RunningNode(
                NodeSettings(extra: "limits: {hellosPerSecond: 20, hellosBurst: 50}\n"), zones: Self.zones,
                policies: ["shop.yaml": shop, "batch.yaml": batch, "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo(Self.address)
            let address = try #require(IPAddress(parsing: Self.address))
            func client(_ pod: String) throws -> DatagramClient {
                try node.resolve("api.shared.test", from: pod)
                return try DatagramClient(in: node.pod(pod).namespace, to: address, port: RunningNode.echoPort)
            }
            let flood = try client("pod-a")
            #expect(flood.isEchoed(InitialDatagram.api))
            let (queued, watch) = (try node.queuedPackets(), Stopwatch())
            for _ in 0..<2_000 { flood.send(InitialDatagram.api) }
            let looked = try node.queuedPackets() - queued
            #expect(looked >= 30 && Double(looked) <= 100 + 20 * (watch.seconds + 1), "\(looked) in \(watch.seconds) s")
            #expect(try client("pod-b").isEchoed(InitialDatagram.api))
            let reason = "exeat_kernel_refused_packets_total{reason=\"hello_rate\"}"
            try Stopwatch.wait("the counter is read", seconds: 5) { try node.metrics()[reason] > 1_000 }
            try Stopwatch.wait("the endpoint is named", seconds: 5) { node.log.contains("an endpoint begins too many flows") }
            let short: [UInt8] = [0x40] + Array(repeating: 7, count: 40)
            try Stopwatch.wait("the flow itself goes on", seconds: 5) { flood.isEchoed(short) }
        }

        @Test func `a connection whose name was good goes on after a change of policy, and ends when that name is allowed no more`() throws
        {
            let node = try RunningNode(
                zones: Self.zones,
                policies: ["shop.yaml": Self.policy("require", ports: "tcp:7000"), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo(Self.address)
            for name in ["api", "sibling"] { try node.resolve("\(name).shared.test", from: "pod-a") }
            let stream = try node.stream("pod-a", to: Self.address)
            #expect(stream.exchange(saying: Array("GET / HTTP/1.1\r\nHost: api.shared.test\r\n\r\n".utf8)))
            #expect(stream.exchange() == .echoed)

            try node.afterReload {
                try node.write(policy: "shop.yaml", Self.policy("require", ["*.shared.test", "more.example.org"], ports: "tcp:7000"))
            }
            for _ in 0..<3 { #expect(stream.exchange() == .echoed, "its name is as good as before") }
            try node.end(SIGKILL)
            try node.start()
            try node.afterReload {
                try node.write(policy: "shop.yaml", Self.policy("require", ["api.shared.test", "more.example.org"], ports: "tcp:7000"))
            }
            #expect(stream.exchange() == .echoed, "it is remembered over a restart")
            try node.afterReload { try node.write(policy: "shop.yaml", Self.policy("require", ["sibling.shared.test"], ports: "tcp:7000")) }
            #expect(stream.exchange() != .echoed, "the address is allowed, under another name")
        }

        @Test func `a second connection out of the same port has to give its own name, also while conntrack takes it for the first`() throws
        {
            for value in ["require", "off"] {
                let node = try RunningNode(
                    zones: Self.zones, policies: ["shop.yaml": Self.policy(value, ports: "tcp:7000"), "rest.yaml": PolicyText.denyRest])
                defer { node.stop() }
                let address = try #require(IPAddress(parsing: Self.address))
                for name in ["api", "sibling"] { try node.resolve("\(name).shared.test", from: "pod-a") }
                func request(_ host: String) -> [UInt8] { Array("GET / HTTP/1.1\r\nHost: \(host).shared.test\r\n\r\n".utf8) }
                for (port, host, isGood) in [(UInt16(42_011), "sibling", true), (42_012, "stranger", value == "off")] {
                    let connections = try ReusedPort(
                        in: node.pod("pod-a").namespace, to: address, in: node.lab.internet, port: RunningNode.echoPort, from: port)
                    let read = try connections.exchange(request("api"), then: request(host))
                    #expect(read == [request("api"), isGood ? request(host) : []], "\(value): \(host)")
                }
            }
        }

        @Test func `a daemon that starts while a connection has said nothing does not know its beginning`() throws {
            for (value, isGood) in [("require", false), ("observe", true)] {
                let node = try RunningNode(
                    zones: Self.zones, policies: ["shop.yaml": Self.policy(value, ports: "tcp:7000"), "rest.yaml": PolicyText.denyRest])
                defer { node.stop() }
                try node.echo(Self.address)
                try node.resolve("api.shared.test", from: "pod-a")
                let stream = try node.stream("pod-a", to: Self.address)
                try node.end(SIGKILL)
                try node.start()
                let request = Array("GET / HTTP/1.1\r\nHost: api.shared.test\r\n\r\n".utf8)
                #expect(stream.exchange(saying: request) == isGood, "\(value)")
                let result = isGood ? "match" : "unreadable"
                let flow = try node.flow("pod-a", to: Self.address) { $0.nameCheck == result }
                // With observe the first segment is taken for the beginning.
                #expect(flow.detail == (isGood ? nil : "unknown_start"))
            }
        }
    }
}
