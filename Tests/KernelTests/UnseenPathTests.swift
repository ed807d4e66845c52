import DemoNetwork
import Foundation
import Testing

extension KernelSuites {
    /// What leads past the rules of a node.
    @Suite struct UnseenPathTests {
        private static func doctor(_ node: RunningNode) throws -> [String] {
            let result = try node.lab.node.run([Program.path, "doctor"], timeoutSeconds: 30)
            #expect(result.isSuccess, "\(result)")
            return result.stdout.split(separator: "\n").filter { $0.hasPrefix("unseen: ") }.map { String($0.dropFirst("unseen: ".count)) }
        }

        @Test func `bridges, macvlan devices here and in pods, and programs at interfaces are named, and nothing else is`() throws {
            let node = try RunningNode(policies: ["rest.yaml": PolicyText.denyRest], starts: false)
            defer { node.stop() }
            #expect(try Self.doctor(node) == [])
            let pod = try node.pod("pod-b").namespace
            let commands = """
                ip link add br7 type bridge && ip link add port7 type veth peer name port8 && ip link set port7 master br7
                ip link add side7 link eth0 type macvlan mode bridge
                ip link add side8 link eth0 type macvlan mode bridge && ip link set side8 netns \(pod.name)
                tc qdisc add dev eth0 clsact && tc filter add dev eth0 ingress bpf da bytecode '1,6 0 0 4294967295'
                """
            let made = try node.lab.node.run(["bash", "-ec", commands])
            try #require(made.isSuccess, "\(made)")
            let found = try Self.doctor(node)
            #expect(found.count == 4, "\(found)")
            let beginnings = [
                "bridge: br7 has the ports port7;", "macvlan: side7 is a macvlan on eth0;", "ebpf: eth0 has BPF programs: \"",
            ]
            for beginning in beginnings { #expect(found.contains { $0.hasPrefix(beginning) }, "\(beginning) \(found)") }
            #expect(found.contains { $0.hasPrefix("macvlan: side8 of ") && $0.contains(" is a macvlan on eth0;") }, "\(found)")
            // Another node sees none of them.
            let other = try RunningNode(policies: ["rest.yaml": PolicyText.denyRest], starts: false)
            defer { other.stop() }
            #expect(try Self.doctor(other) == [])

            try node.start()
            #expect(node.log.contains("packets may pass by the rules") && node.log.contains("side8"))
        }

        @Test(arguments: [false, true])
        func `a start with an endpoint on a bridge is refused, with its name and the way out`(isPort: Bool) throws {
            let node = try RunningNode(policies: ["rest.yaml": PolicyText.denyRest], starts: false)
            defer { node.stop() }
            let name = try node.pod("pod-a").interfaceOnNode
            let commands =
                isPort
                ? "ip link add br7 type bridge && ip link set \(name) master br7"
                : "ip link set \(name) name moved7 && ip link add \(name) type bridge"
            try #require(node.lab.node.run(["bash", "-ec", commands]).isSuccess)
            #expect(try node.startInVain() == 1)
            let what = isPort ? "a port of the bridge br7" : "a bridge"
            #expect(node.log.contains("endpoint default/pod-a: its interface \(name) is \(what)"), "\(node.log)")
            #expect(node.log.contains("a veth of its own"))
            try #require(node.lab.node.run(["bash", "-ec", isPort ? "ip link set \(name) nomaster" : "ip link del \(name)"]).isSuccess)
            try node.start()
        }

        @Test func `a workload that claims an address of the node is refused, at a start and at run time`() throws {
            let node = try RunningNode(
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.10")
            try node.resolve("api.example.org", from: "pod-a")
            let claim = """
                apiVersion: projectcalico.org/v3
                kind: WorkloadEndpoint
                metadata: {name: agent, namespace: default}
                spec: {interfaceName: cali77, ipNetworks: [10.99.0.1/32]}

                """
            try node.afterReload { try node.write(policy: "agent.yaml", claim) }
            #expect(try node.metrics()["exeat_policy_last_reload_successful"] == 0)
            #expect(node.log.contains("10.99.0.1 is an address of this node itself") && node.log.contains("agent.yaml:1:1"))
            // What was in force stays, and the node is nobody's endpoint.
            #expect(try node.isReached("pod-a", "192.0.2.10") && node.isReached(nil, "203.0.113.10"))
            try node.end(SIGTERM)
            #expect(try node.startInVain() == 1)
            try node.remove(policy: "agent.yaml")
            try node.start()
            #expect(try node.isReached("pod-a", "192.0.2.10"))
        }
    }
}
