import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// What the resolver asks, on a node whose own processes are policed.
    @Suite struct UpstreamTests {
        private static let policies = [
            "shop.yaml": PolicyText.allow("shop", protocol: nil, domains: ["*.example.org"]),
            // Closed but for its failsafe ports.
            "host.yaml": """
            apiVersion: projectcalico.org/v3
            kind: HostEndpoint
            metadata: {name: all, labels: {role: node}}
            spec: {node: node, interfaceName: "*"}

            """,
        ]

        /// nsd, which is not made of our TLS code, with the lab's zones on port 853.
        private func startServer(_ node: RunningNode) throws -> (server: ChildProcess, authority: String) {
            let folder = node.lab.directory + "/tls"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for arguments in [
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -subj /CN=Authority -days 30",
                "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.request -subj /CN=server",
                "x509 -req -in server.request -CA ca.pem -CAkey ca.key -out server.pem -days 30 -extfile extensions",
            ] {
                try "subjectAltName=DNS:dns.example.net\n".write(toFile: folder + "/extensions", atomically: true, encoding: .utf8)
                let result = try node.lab.node.run(["sh", "-c", "cd \(folder) && openssl \(arguments)"])
                try #require(result.isSuccess, "\(result.stderr)")
            }
            try """
            server:
              ip-address: 192.0.2.54@853
              ip-freebind: yes
              server-count: 1
              username: ""
              zonesdir: "\(folder)"
              database: ""
              pidfile: "\(folder)/nsd.pid"
              xfrdfile: "\(folder)/xfrd.state"
              xfrdir: "\(folder)"
              zonelistfile: "\(folder)/zone.list"
              tls-service-key: "\(folder)/server.key"
              tls-service-pem: "\(folder)/server.pem"
              tls-port: 853
              rrl-ratelimit: 0
            remote-control:
              control-enable: no
            zone:
              name: "example.org"
              zonefile: "\(node.lab.directory)/nsd/example.org.zone"
            """.write(toFile: folder + "/nsd.conf", atomically: true, encoding: .utf8)
            let server = try node.lab.internet.spawn(["nsd", "-d", "-c", folder + "/nsd.conf"], output: folder + "/nsd.log")
            return (server, folder + "/ca.pem")
        }

        @Test func `the resolver asks over TLS where nothing else of the node may, and DNS over TLS of others stays refused`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            let (server, authority) = try startServer(node)
            defer { server.terminate() }
            var settings = NodeSettings()
            settings.upstreams = "{address: 192.0.2.54, tls: {name: dns.example.net, caFile: \(authority)}}"
            try node.write(settings: settings)
            try node.start()
            #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
            try node.echo("192.0.2.10")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            let metrics = try node.metrics()
            #expect(try metrics["exeat_dns_upstream_queries_total{transport=\"tls\"}"] >= 1)
            #expect(try metrics["exeat_dns_upstream_queries_total{transport=\"udp\"}"] == 0)
            #expect(try metrics["exeat_dns_upstream_tls_handshakes_total{kind=\"full\"}"] >= 1)
            // A pod that would ask the same server past the resolver.
            #expect(try node.isRefused("pod-a", "192.0.2.54", port: 853))
            #expect(try node.isRefused(nil, "192.0.2.10", port: 853), "another server")
            let udp = try node.lab.node.withThread {
                LabClient.udp(to: IPAddress(v4: 0xc000_0236), port: 853, timeoutMilliseconds: 500).outcome
            }
            #expect(udp != .answered)
            #expect(try node.metrics()["exeat_dns_upstream_tls_failures_total{reason=\"name\"}"] == 0)
        }

        @Test func `an upstream of another name answers nothing, the log says why, and no question leaves in clear`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            let (server, authority) = try startServer(node)
            defer { server.terminate() }
            var settings = NodeSettings()
            settings.upstreams = "{address: 192.0.2.54, tls: {name: other.example.net, caFile: \(authority)}}"
            try node.write(settings: settings)
            try node.start()
            let answer = try node.pod("pod-a").namespace.withThread { LabClient.resolve("api.example.org", server: RunningNode.resolver) }
            #expect(answer.responseCode == 2 && answer.addresses.isEmpty)
            #expect(try node.metrics()["exeat_dns_upstream_tls_failures_total{reason=\"name\"}"] >= 1)
            #expect(try node.metrics()["exeat_dns_upstream_queries_total{transport=\"udp\"}"] == 0)
            try Stopwatch.wait("the log tells") { node.log.contains("TLS certificate is for another name") }
            #expect(node.log.contains("tls://192.0.2.54:853#other.example.net"))
        }
    }
}
