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

        private static let unasked = "exeat_dns_wrong_replies_total{reason=\"no_socket\"}"

        /// Rules and chains with their handles, which an installation of the table gives anew.
        private func rules(of node: RunningNode) throws -> [String] {
            let result = try node.lab.node.run(["nft", "-a", "list", "table", "inet", "exeat"])
            try #require(result.isSuccess, "\(result.stderr)")
            let lines = result.stdout.split(separator: "\n").map { String($0.replacing(/packets [0-9]+ bytes [0-9]+/, with: "")) }
            let handles = lines.filter { $0.contains(/# handle [0-9]+$/) }
            try #require(handles.contains { $0.contains("ip saddr @upstreams4 goto no_socket") })
            return handles
        }

        /// The upstreams of IPv4 that the table has.
        private func upstreams(of node: RunningNode) throws -> String {
            let result = try node.lab.node.run(["nft", "list", "set", "inet", "exeat", "upstreams4"])
            try #require(result.isSuccess, "\(result.stderr)")
            return result.stdout
        }

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
            #expect(metrics["exeat_dns_upstream_queries_total{transport=\"tls\"}"] >= 1)
            #expect(metrics["exeat_dns_upstream_queries_total{transport=\"udp\"}"] == 0)
            #expect(metrics["exeat_dns_upstream_tls_handshakes_total{kind=\"full\"}"] >= 1)
            // A pod that would ask the same server past the resolver.
            #expect(try node.isRefused("pod-a", "192.0.2.54", port: 853))
            #expect(try node.isRefused(nil, "192.0.2.10", port: 853), "another server")
            let udp = try node.lab.node.withThread {
                LabClient.udp(to: IPAddress(v4: 0xc000_0236), port: 853, timeoutMilliseconds: 500).outcome
            }
            #expect(udp != .answered)
            #expect(try node.metrics()["exeat_dns_upstream_tls_failures_total{reason=\"name\"}"] == 0)
        }

        @Test func `a changed file of authorities is taken over, and one that is no good leaves them as they were`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            let (server, authority) = try startServer(node)
            defer { server.terminate() }
            var settings = NodeSettings()
            settings.upstreams = "{address: 192.0.2.54, tls: {name: dns.example.net, caFile: \(authority)}}"
            // Each question finds no connection.
            settings.dns = "  expireSeconds: 1\n  serveStale: {enabled: false}\n"
            try node.write(settings: settings)
            try node.start()
            let pod = try node.pod("pod-a")
            var number = 0
            func code() throws -> Int {
                number += 1
                let name = "n\(number).wild.example.org"
                return Int(try pod.namespace.withThread { LabClient.resolve(name, server: RunningNode.resolver) }.responseCode ?? 99)
            }
            func readings(_ result: String) throws -> Double {
                try node.metrics()["exeat_dns_upstream_authority_readings_total{result=\"\(result)\"}"]
            }
            func waitForIdle() throws {
                try Stopwatch.wait("no connection is open") { try node.metrics()["exeat_dns_upstream_connections_open"] == 0 }
            }
            #expect(try code() == 0)
            #expect(try readings("taken") == 1)
            let good = try String(contentsOfFile: authority, encoding: .utf8)

            for (change, place) in [("", "empty"), ("no certificate\n", "text"), (nil, "gone")] as [(String?, String)] {
                let before = try readings("refused")
                if let change {
                    try change.write(toFile: authority, atomically: place == "text", encoding: .utf8)
                } else {
                    try FileManager.default.removeItem(atPath: authority)
                }
                try Stopwatch.wait("\(place) is refused", seconds: 15) { try readings("refused") == before + 1 }
                try waitForIdle()
                #expect(try code() == 0, "\(place): the last good one stays")
            }
            #expect(node.log.contains("authorities of a file not taken; they stay as they were") && node.log.contains(authority))
            #expect(try readings("taken") == 1)

            let folder = node.lab.directory + "/tls"
            let made = try node.lab.node.run([
                "sh", "-c",
                "cd \(folder) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout other.key -out other.pem "
                    + "-subj /CN=Other -days 30 && mv other.pem ca.pem",
            ])
            try #require(made.isSuccess, "\(made.stderr)")
            try Stopwatch.wait("the other authority is taken", seconds: 15) { try readings("taken") == 2 }
            try waitForIdle()
            #expect(try code() == 2)
            #expect(try node.metrics()["exeat_dns_upstream_tls_failures_total{reason=\"issuer\"}"] >= 1)

            try good.write(toFile: authority, atomically: false, encoding: .utf8)
            try Stopwatch.wait("the first authority is taken again", seconds: 15) { try readings("taken") == 3 }
            try Stopwatch.wait("the server is asked again", seconds: 15) { try code() == 0 }
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

        @Test func `a resolv.conf as upstream is followed by the resolver and by what the node may ask, through all ways of changing it`()
            throws
        {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            let file = node.lab.directory + "/resolv/resolv.conf"
            let other = node.lab.directory + "/resolv/other.conf"
            try FileManager.default.createDirectory(atPath: node.lab.directory + "/resolv", withIntermediateDirectories: true)
            // Our own address among them would be asked in a circle.
            let head = "# made by a test\nsearch example.org\nnameserver \(RunningNode.resolver)\noptions ndots:5\n"
            try (head + "nameserver 192.0.2.53\n").write(toFile: file, atomically: true, encoding: .utf8)
            let upstream = try PatientUpstream(in: node.lab.internet)
            defer { try? upstream.stop() }
            var settings = NodeSettings()
            settings.upstreams = file
            try node.write(settings: settings)
            try node.start()
            #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
            #expect(node.log.contains("is an address of dns.listen"))
            var number = 0
            // Each question for a name of its own, that no answer is from the cache.
            func answer() throws -> [String] {
                number += 1
                let name = "n\(number).example.org"
                upstream.set(name, "192.0.2.77")
                let found = try node.pod("pod-a").namespace.withThread { LabClient.resolve(name, server: RunningNode.resolver) }
                return found.addresses.map(\.description)
            }
            /// What is refused gets an ICMP error.
            func mayAsk(_ address: String) throws -> Bool {
                let server = try #require(IPAddress(parsing: address))
                var random = SeededRandom(seed: 1)
                let query = GeneratedQuery(id: 1, name: "api.example.org", type: 1, datagramBytes: nil, from: &random)
                for _ in 0..<3 {
                    let outcome = try node.lab.node.withThread {
                        LabClient.udp(to: server, port: 53, payload: query.bytes, timeoutMilliseconds: 2_000).outcome
                    }
                    if outcome != .timedOut { return outcome == .answered }
                }
                throw Problem("\(address) neither answers nor is refused")
            }
            #expect(try answer() == [], "the lab's server does not know the name")
            #expect(try mayAsk("192.0.2.53") && !mayAsk("192.0.2.54"), "a closed node reaches whom its resolver asks")

            // Replaced by rename. Of the table only the set changes; verdicts that the kernel remembers stay.
            try node.echo("192.0.2.10")
            let rules = try rules(of: node)
            let leased = Stopwatch()
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            let lease = "\(try node.pod("pod-a").v4) . 192.0.2.10 . tcp . 7000"
            try #require(try node.lab.node.run(["nft", "list map inet exeat leases4"]).stdout.contains(lease))
            try "nameserver 192.0.2.54\n".write(toFile: file, atomically: true, encoding: .utf8)
            try Stopwatch.wait("the new server is asked", seconds: 10) { try answer() == ["192.0.2.77"] }
            let leases = try node.lab.node.run(["nft", "list map inet exeat leases4"]).stdout
            // A lease ends by itself after ten seconds.
            #expect(leases.contains(lease) || leased.seconds > 9, "\(leases)")
            #expect(try self.rules(of: node) == rules)
            #expect(try mayAsk("192.0.2.54"))
            let late = try node.metrics()[Self.unasked]
            upstream.send(to: IPAddress(v4: 0x0a63_0001), port: 9)
            try Stopwatch.wait("what it sends unasked is counted as an upstream's") { try node.metrics()[Self.unasked] == late + 1 }
            try Stopwatch.wait("the old one is closed", seconds: 15) { try !mayAsk("192.0.2.53") }

            // What cannot be used changes nothing: nobody in it, unreadable.
            for bad in ["", "nameserver 0.0.0.0\nnameserver fe80::1%eth0\n", "\u{0}\u{1}\u{2}"] {
                let refused = try node.metrics()["exeat_dns_upstream_file_readings_total{result=\"refused\"}"]
                try bad.write(toFile: file, atomically: true, encoding: .utf8)
                try Stopwatch.wait("the reading is refused") {
                    try node.metrics()["exeat_dns_upstream_file_readings_total{result=\"refused\"}"] == refused + 1
                }
                #expect(try answer() == ["192.0.2.77"])
            }
            try FileManager.default.removeItem(atPath: file)
            try Stopwatch.wait("the loss is told") { node.log.contains("cannot open \(file)") }
            #expect(try answer() == ["192.0.2.77"] && mayAsk("192.0.2.54"))

            // A link, whose target then changes in place.
            try "nameserver 192.0.2.53\n".write(toFile: other, atomically: true, encoding: .utf8)
            try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: other)
            try Stopwatch.wait("the link is followed", seconds: 10) { try answer() == [] }
            #expect(try mayAsk("192.0.2.53"))
            try "nameserver 192.0.2.54\nnameserver 192.0.2.54\n".write(toFile: other, atomically: false, encoding: .utf8)
            try Stopwatch.wait("the target is followed", seconds: 10) { try answer() == ["192.0.2.77"] }
            #expect(try node.metrics()["exeat_dns_upstream_file_readings_total{result=\"taken\"}"] == 4)
        }

        @Test func `the servers behind a service are asked and trusted, as its slices change`() throws {
            func slice(_ service: String, _ address: String) -> String {
                """
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: \(service)-x7k2p, namespace: kube-system, labels: {kubernetes.io/service-name: \(service)}}
                addressType: IPv4
                endpoints: [{addresses: [\(address)], conditions: {ready: true}}]
                ports: [{name: dns-tcp, protocol: TCP, port: 53}, {name: dns, protocol: UDP, port: 53}]

                """
            }
            var policies = Self.policies
            policies["dns.yaml"] = slice("kube-dns", "192.0.2.53")
            policies["far.yaml"] = slice("far-dns", "203.0.113.53")
            policies["felix.yaml"] = """
                apiVersion: projectcalico.org/v3
                kind: FelixConfiguration
                metadata: {name: default}
                spec: {dnsTrustedServers: ["k8s-service:far-dns"]}

                """
            let node = try RunningNode(policies: policies, starts: false)
            defer { node.stop() }
            let upstream = try PatientUpstream(in: node.lab.internet)
            defer { try? upstream.stop() }
            let servers = try ["203.0.113.53", "203.0.113.54"].map {
                try EchoServer(namespace: node.lab.internet, addresses: [#require(IPAddress(parsing: $0))], port: 53)
            }
            defer { for server in servers { server.stop() } }
            var settings = NodeSettings()
            settings.upstreams = "\"k8s-service:kube-dns\""
            try node.write(settings: settings)
            try node.start()
            #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
            #expect(try upstreams(of: node).contains("192.0.2.53"))
            func mayAsk(_ address: String) throws -> Bool {
                let server = try #require(IPAddress(parsing: address))
                return try node.lab.node.withThread { LabClient.udp(to: server, port: 53, timeoutMilliseconds: 1_000).outcome } == .answered
            }
            #expect(try mayAsk("203.0.113.53") && !mayAsk("203.0.113.54"), "dnsTrustedServers")

            // The pods of both services are others.
            try node.afterReload { try node.write(policy: "far.yaml", slice("far-dns", "203.0.113.54")) }
            #expect(try !mayAsk("203.0.113.53") && mayAsk("203.0.113.54"))
            try node.afterReload { try node.write(policy: "dns.yaml", slice("kube-dns", "192.0.2.54")) }
            var number = 0
            try Stopwatch.wait("the new server is asked", seconds: 10) {
                number += 1
                let name = "n\(number).example.org"
                upstream.set(name, "192.0.2.77")
                let found = try node.pod("pod-a").namespace.withThread { LabClient.resolve(name, server: RunningNode.resolver) }
                return found.addresses.map(\.description) == ["192.0.2.77"]
            }
            try Stopwatch.wait("the old one is closed", seconds: 15) { try !upstreams(of: node).contains("192.0.2.53") }
            #expect(try upstreams(of: node).contains("192.0.2.54"))

            // Nobody behind it: those of before are asked.
            try node.afterReload { try node.remove(policy: "dns.yaml") }
            try Stopwatch.wait("the loss is told") { node.log.contains("no EndpointSlice of it has an address") }
            upstream.set("last.example.org", "192.0.2.78")
            #expect(try node.resolve("last.example.org", from: "pod-a") == ["192.0.2.78"])
            let metrics = try node.metrics()
            #expect(metrics["exeat_dns_upstream_file_readings_total{result=\"taken\"}"] == 2)
            #expect(metrics["exeat_dns_upstream_file_readings_total{result=\"refused\"}"] == 1)
        }

        @Test func `a resolver whose own user is of a class asks the servers of a changed file and not itself`() throws {
            var policies = Self.policies
            policies["class.yaml"] = """
                apiVersion: projectcalico.org/v3
                kind: HostEndpoint
                metadata: {name: system, annotations: {exeat.io/uid: "0-999"}}
                spec: {node: node, interfaceName: "*"}

                """
            let node = try RunningNode(policies: policies, starts: false)
            defer { node.stop() }
            let file = node.lab.directory + "/resolv.conf"
            try "nameserver 192.0.2.53\n".write(toFile: file, atomically: true, encoding: .utf8)
            let upstream = try PatientUpstream(in: node.lab.internet)
            defer { try? upstream.stop() }
            upstream.set("later.example.org", "192.0.2.77")
            var settings = NodeSettings()
            settings.upstreams = file
            try node.write(settings: settings)
            try node.start()
            #expect(try node.resolve("api.example.org", from: "pod-a") == ["192.0.2.10"])
            try "nameserver 192.0.2.54\n".write(toFile: file, atomically: true, encoding: .utf8)
            try Stopwatch.wait("the new server is asked", seconds: 10) {
                try node.metrics()["exeat_dns_upstream_file_readings_total{result=\"taken\"}"] == 2
            }
            try Stopwatch.wait("the worker has it", seconds: 10) {
                // Kept as an answer that there is no such name while the old server is asked.
                _ = try node.pod("pod-a").namespace.withThread {
                    LabClient.resolve("x\(UInt32.random(in: 0 ... .max)).example.org", server: RunningNode.resolver)
                }
                return upstream.total > 0
            }
            #expect(try node.resolve("later.example.org", from: "pod-a") == ["192.0.2.77"])
            let list = try node.lab.node.run(["nft", "list", "chain", "inet", "exeat", "dns_output"])
            #expect(list.stdout.contains("ip daddr @upstreams4 meta skuid"), "\(list.stdout)\(list.stderr)")
            #expect(try upstreams(of: node).contains("192.0.2.54"))
            try Stopwatch.wait("the old one goes", seconds: 15) { try !upstreams(of: node).contains("192.0.2.53") }
        }
    }
}
