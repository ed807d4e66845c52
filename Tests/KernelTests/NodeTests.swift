import DemoNetwork
import NetworkTypes
import Testing

extension KernelSuites {
    /// What concerns the node itself: its own traffic, workloads that talk to it, tunnels.
    @Suite struct NodeTests {
        @Test func `a host endpoint reaches what its policy names and it has resolved, and its failsafe ports`() throws {
            let node = try RunningNode(policies: [
                "pods.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest,
            ])
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.10")
            #expect(try node.isReached(nil, "192.0.2.10"), "without an endpoint the node is not policed")
            try node.afterReload {
                try node.write(
                    policy: "node.yaml",
                    """
                    apiVersion: projectcalico.org/v3
                    kind: HostEndpoint
                    metadata: {name: all, labels: {role: node}}
                    spec: {node: node, interfaceName: "*"}
                    ---
                    apiVersion: projectcalico.org/v3
                    kind: GlobalNetworkPolicy
                    metadata: {name: node}
                    spec:
                      selector: role == 'node'
                      types: [Egress]
                      egress: [{action: Allow, protocol: TCP, destination: {domains: [api.example.org]}}]
                    """)
            }
            #expect(try node.isRefused(nil, "192.0.2.10"), "never resolved")
            let answer = try node.lab.node.withThread { LabClient.resolve("api.example.org", server: RunningNode.resolver) }
            #expect(answer.addresses.map(\.description).contains("192.0.2.10"))
            #expect(try node.isReached(nil, "192.0.2.10"))
            #expect(try node.isRefused(nil, "203.0.113.10"), "another address")
            // What the node resolved opens nothing for its pods, and they go on as before: the daemon's own lookups work too.
            #expect(try node.isRefused("pod-a", "192.0.2.10"))
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            try node.afterReload { try node.remove(policy: "node.yaml") }
            #expect(try node.isReached(nil, "203.0.113.10"))
        }

        @Test func `a node that is closed to its workloads still resolves for them and probes them`() throws {
            let node = try RunningNode(policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"])])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            let pod = try node.pod("pod-b")
            try node.echo(in: pod)
            let server = try EchoServer(
                namespace: node.lab.node, addresses: [try #require(IPAddress(parsing: "10.99.0.1"))], port: RunningNode.echoPort)
            defer { server.stop() }
            #expect(try node.isReached("pod-b", "10.99.0.1"), "open without the setting")
            try node.afterReload {
                try node.write(
                    policy: "felix.yaml",
                    """
                    apiVersion: projectcalico.org/v3
                    kind: FelixConfiguration
                    metadata: {name: default}
                    spec: {defaultEndpointToHostAction: Drop}
                    """)
            }
            #expect(try !node.isReached("pod-b", "10.99.0.1"))
            #expect(try node.isReached(nil, try #require(pod.addresses.first).description), "a probe of the node")
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            try node.afterReload { try node.remove(policy: "felix.yaml") }
            #expect(try node.isReached("pod-b", "10.99.0.1"))
        }

        @Test func `VXLAN out of a pod is dropped, policed or not`() throws {
            let node = try RunningNode(policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"])])
            defer { node.stop() }
            let destination = try #require(IPAddress(parsing: "192.0.2.10"))
            let server = try EchoServer(namespace: node.lab.internet, addresses: [destination], port: 4_789)
            defer { server.stop() }
            for pod in ["pod-a", "pod-b"] {
                let outcome = try node.pod(pod).namespace.withThread {
                    LabClient.udp(to: destination, port: 4_789, timeoutMilliseconds: 300).outcome
                }
                #expect(outcome == .timedOut, "\(pod)")
            }
            try Stopwatch.wait("the drops are counted") {
                try node.metrics()["exeat_kernel_refused_packets_total{reason=\"encapsulation\"}"] >= 2
            }
        }
    }
}
