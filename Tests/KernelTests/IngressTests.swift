import DemoNetwork
import NetworkTypes
import Testing

extension KernelSuites {
    @Suite struct IngressTests {
        @Test func `under deny-all egress probes of the node and connections of other pods work`() throws {
            let node = try RunningNode(
                pods: [
                    .init(name: "pod-a", labels: ["app": "shop"]),
                    .init(name: "pod-c", kubernetesNamespace: "other", labels: ["app": "visitor"]),
                ], policies: ["rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            let pod = try node.pod("pod-a")
            try node.echo(in: pod)
            try node.echo(in: try node.pod("pod-c"))

            for address in pod.addresses.map(\.description) {
                #expect(try node.isReached(nil, address), "the node to \(address)")
                #expect(try node.isReached("pod-c", address), "another pod to \(address)")
                #expect(try node.lab.node.run(["ping", "-c", "1", "-W", "2", address]).isSuccess, "ping of the node to \(address)")
                #expect(try node.pod("pod-c").namespace.run(["ping", "-c", "1", "-W", "2", address]).isSuccess, "ping to \(address)")
                let datagram = try node.lab.node.withThread {
                    LabClient.udp(to: try #require(IPAddress(parsing: address)), port: RunningNode.echoPort).isConnected
                }
                #expect(datagram, "UDP of the node to \(address)")
            }
            // The pod itself reaches nothing: nobody's answers are taken for its own flows.
            for address in try node.pod("pod-c").addresses.map(\.description) + ["10.99.0.1", "192.0.2.10", "2001:db8::10"] {
                #expect(try node.isRefused("pod-a", address), "the pod to \(address)")
            }
            #expect(try !pod.namespace.run(["ping", "-c", "1", "-W", "1", "192.0.2.10"]).isSuccess)
        }
    }
}
