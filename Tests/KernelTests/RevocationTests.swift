import Foundation
import Testing

extension KernelSuites {
    /// Flows that policy takes back while they live.
    @Suite struct RevocationTests {
        private static func shop(_ domains: String...) -> String { PolicyText.allow("shop", protocol: nil, domains: domains) }

        @Test func `a revoked flow asks nobody any more, and a UDP flow goes on when policy allows it again`() throws {
            let node = try RunningNode(policies: ["shop.yaml": Self.shop("api.example.org"), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            let tcp = try node.stream("pod-a", to: "192.0.2.10")
            let udp = try node.stream("pod-a", to: "192.0.2.10", isDatagram: true)
            for stream in [tcp, udp] { #expect(stream.exchange() == .echoed) }

            for _ in 0..<2 {
                try node.afterReload { try node.write(policy: "shop.yaml", Self.shop("other.example.org")) }
                #expect(tcp.exchange() != .echoed)
                #expect(udp.exchange(timeoutMilliseconds: 200) != .echoed)
                // A second after the change a flow that was refused by then is asked about once more.
                Thread.sleep(forTimeInterval: 1.5)
                #expect(udp.exchange(timeoutMilliseconds: 100) != .echoed)
                let queued = try node.queuedPackets()
                for _ in 0..<5 { #expect(udp.exchange(timeoutMilliseconds: 100) != .echoed) }
                #expect(try node.queuedPackets() == queued)
                let fact = try node.flow("pod-a", to: "192.0.2.10", verdict: "reject")
                #expect(fact.reason == "name_not_allowed" || fact.reason == "address_not_resolved")

                try node.afterReload { try node.write(policy: "shop.yaml", Self.shop("api.example.org")) }
                try Stopwatch.wait("the flow goes on", seconds: 4) { udp.exchange(timeoutMilliseconds: 100) == .echoed }
            }
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            let metrics = try node.metrics()
            // Two, and later one; and each of UDP at most once more, because of that second.
            #expect((3...5).contains(metrics["exeat_revoked_flows_total"]))
            // Read from the kernel once a second.
            try Stopwatch.wait("the kernel's counter") {
                try node.metrics()["exeat_kernel_refused_packets_total{reason=\"revoked\"}"] > 0
            }
        }

        @Test func `an address that changes hands while no daemon runs brings its next owner no flow of the last`() throws {
            let node = try RunningNode(policies: ["shop.yaml": Self.shop("api.example.org"), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            // Under the second generation of the address.
            try node.afterReload { try node.write(policy: "shop.yaml", Self.shop("api.example.org", "www.example.org")) }
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            #expect(stream.exchange() == .echoed)
            try node.end(SIGKILL)
            try node.writeEndpoints(labels: ["pod-a": ["app": "other"]], names: ["pod-a": "pod-z"])
            try node.start()
            // The second generation of the next owner, to whom the flow is as good as any while it is idle.
            try node.afterReload {
                try node.write(policy: "other.yaml", PolicyText.allow("other", selector: "app == \"other\"", domains: ["www.example.org"]))
            }
            #expect(stream.exchange() != .echoed)
        }

        @Test func `a UDP flow that was refused goes on when the daemon starts with a policy that allows it`() throws {
            let node = try RunningNode(policies: ["shop.yaml": Self.shop("api.example.org"), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            let udp = try node.stream("pod-a", to: "192.0.2.10", isDatagram: true)
            #expect(udp.exchange() == .echoed)
            try node.afterReload { try node.write(policy: "shop.yaml", Self.shop("other.example.org")) }
            #expect(udp.exchange(timeoutMilliseconds: 200) != .echoed)
            try node.end(SIGKILL)
            try node.write(policy: "shop.yaml", Self.shop("api.example.org"))
            try node.start()
            try Stopwatch.wait("the flow goes on", seconds: 4) { udp.exchange(timeoutMilliseconds: 100) == .echoed }
        }
    }
}
