import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Ways to resolve names out of Exeat's sight, where policy allows everything.
    @Suite struct BuiltInRuleTests {
        private static let policy = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: all}
            spec: {types: [Egress], egress: [{action: Allow}]}
            """

        private static func reached(_ node: RunningNode, _ destination: String, _ port: UInt16, udp isDatagram: Bool = false) throws -> Bool
        {
            let address = try #require(IPAddress(parsing: destination))
            return try node.pod("pod-a").namespace.withThread {
                isDatagram
                    ? LabClient.udp(to: address, port: port, timeoutMilliseconds: 400).isConnected
                    : LabClient.connect(to: address, port: port, payload: [1], timeoutMilliseconds: 1_000).isConnected
            }
        }

        private static func serve(_ node: RunningNode, _ address: String, _ ports: [UInt16]) throws -> [EchoServer] {
            let parsed = try #require(IPAddress(parsing: address))
            return try ports.map { try EchoServer(namespace: node.lab.internet, addresses: [parsed], port: $0) }
        }

        @Test func `DNS over TLS, QUIC and HTTPS is refused by name whatever policy and leases say, and nothing beside it`() throws {
            let node = try RunningNode(
                NodeSettings(dns: "  dohAddresses: [\"203.0.113.66\"]\n"), hasWebServer: false, policies: ["all.yaml": Self.policy])
            defer { node.stop() }
            let servers = try Self.serve(node, "203.0.113.66", [443, 853, 8_853]) + Self.serve(node, "203.0.113.67", [443, 853])
            defer { for server in servers { server.stop() } }
            // Twice: what is refused is never leased.
            for _ in 0..<2 {
                for (address, port, isDatagram, isReached) in [
                    ("203.0.113.66", 853, false, false), ("203.0.113.66", 853, true, false), ("203.0.113.67", 853, false, false),
                    ("203.0.113.66", 443, false, false), ("203.0.113.66", 443, true, false), ("203.0.113.67", 443, false, true),
                    ("203.0.113.67", 443, true, true), ("203.0.113.66", 8_853, false, true),
                ] as [(String, UInt16, Bool, Bool)] {
                    #expect(try Self.reached(node, address, port, udp: isDatagram) == isReached, "\(address) \(port) \(isDatagram)")
                }
            }
            let metrics = try node.metrics()
            for (rule, count) in [("dot", 4.0), ("doq", 2), ("doh", 4)] {
                #expect(metrics["exeat_verdicts_total{reason=\"builtin_\(rule)\"}"] >= count, "\(rule)")
            }
            #expect(try node.flow("pod-a", to: "203.0.113.66", verdict: "reject").reason.hasPrefix("builtin_"))
        }

        @Test func `each built-in rule has its switch, and a flow that it forbids now is cut at the restart`() throws {
            let rules = "  dohAddresses: [\"203.0.113.66\"]\n"
            let off = "  builtInRules: {dot: false, doq: false, doh: false}\n"
            let node = try RunningNode(NodeSettings(dns: rules + off), hasWebServer: false, policies: ["all.yaml": Self.policy])
            defer { node.stop() }
            let servers = try Self.serve(node, "203.0.113.66", [443, 853])
            defer { for server in servers { server.stop() } }
            for port: UInt16 in [443, 853] {
                for isDatagram in [false, true] { #expect(try Self.reached(node, "203.0.113.66", port, udp: isDatagram)) }
            }
            let stream = try EchoStream(
                in: node.pod("pod-a").namespace, to: try #require(IPAddress(parsing: "203.0.113.66")), port: 853)
            #expect(stream.exchange() == .echoed)
            try node.end(SIGTERM)
            try node.write(settings: NodeSettings(dns: rules))
            try node.start()
            #expect(stream.exchange() != .echoed)
            for port: UInt16 in [443, 853] { #expect(try !Self.reached(node, "203.0.113.66", port)) }
        }

        @Test func `without interception DNS to anybody but the node's resolver is refused`() throws {
            let node = try RunningNode(NodeSettings(dns: "  intercept: false\n"), hasWebServer: false, policies: ["all.yaml": Self.policy])
            defer { node.stop() }
            let servers = try Self.serve(node, "203.0.113.66", [53])
            defer { for server in servers { server.stop() } }
            for isDatagram in [false, true] { #expect(try !Self.reached(node, "203.0.113.66", 53, udp: isDatagram)) }
            #expect(try node.metrics()["exeat_verdicts_total{reason=\"builtin_foreign_dns\"}"] >= 2)
            try node.resolve("api.example.org", from: "pod-a")
            try node.end(SIGTERM)
            try node.write(settings: NodeSettings(dns: "  intercept: false\n  builtInRules: {foreignDNS: false}\n"))
            try node.start()
            for isDatagram in [false, true] { #expect(try Self.reached(node, "203.0.113.66", 53, udp: isDatagram)) }
        }
    }
}
