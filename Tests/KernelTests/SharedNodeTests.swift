import DemoNetwork
import Glibc
import NetworkTypes
import Testing

extension KernelSuites {
    @Suite struct SharedNodeTests {
        @Test func `a pod reaches what it may and has resolved, and its neighbour's lookups open nothing`() throws {
            let node = try RunningNode(policies: [
                "shop.yaml": PolicyText.allow("shop", domains: ["api.example.org", "*.cdn.example.net"]),
                "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", domains: ["files.example.test"]),
                "rest.yaml": PolicyText.denyRest,
            ])
            defer { node.stop() }
            try node.echo("192.0.2.10", "198.51.100.13", "203.0.113.10", "203.0.113.66")
            for name in ["api.example.org", "deep.x.cdn.example.net", "files.example.test"] { try node.resolve(name, from: "pod-a") }

            #expect(try node.isReached("pod-a", "192.0.2.10"), "an allowed name")
            #expect(try node.isReached("pod-a", "198.51.100.13"), "a wildcard name")
            let refused = [
                ("pod-a", "203.0.113.10", "another name"), ("pod-a", "203.0.113.66", "an address never resolved"),
                ("pod-b", "192.0.2.10", "the address that the neighbour resolved"),
            ]
            for (pod, destination, what) in refused {
                let address = try #require(IPAddress(parsing: destination))
                let result = try node.pod(pod).namespace.withThread { LabClient.connect(to: address, port: RunningNode.echoPort) }
                #expect(result.outcome == .refused(errno: ECONNREFUSED), "\(what)")
                // The quickest of three: a busy machine may hold any single attempt up.
                let again = try (0..<2).map { _ in
                    try node.pod(pod).namespace.withThread { LabClient.connect(to: address, port: RunningNode.echoPort) }.milliseconds
                }
                #expect(min(result.milliseconds, again[0], again[1]) < 50, "\(what)")
                let datagram = try node.pod(pod).namespace.withThread { LabClient.udp(to: address, port: RunningNode.echoPort) }
                #expect(datagram.outcome == .refused(errno: EHOSTUNREACH), "\(what), UDP")
                #expect(try node.flow(pod, to: destination, verdict: "reject").tier == "default", "\(what)")
            }
            // A name that both may ask: each by its own lookup.
            try node.resolve("files.example.test", from: "pod-b")
            #expect(try node.isReached("pod-b", "203.0.113.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.10"))
        }
    }
}
