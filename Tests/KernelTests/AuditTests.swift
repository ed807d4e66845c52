import Testing

extension KernelSuites {
    @Suite struct AuditTests {
        @Test func `audit mode refuses nothing and logs what it would have refused, and why`() throws {
            let node = try RunningNode(
                NodeSettings(mode: "audit"),
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.66", "203.0.113.10")
            try node.resolve("api.example.org", from: "pod-a")
            try node.resolve("files.example.test", from: "pod-b")

            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.flow("pod-a", to: "192.0.2.10", verdict: "allow").reason == "policy_allow")
            for (pod, address, reason) in [
                ("pod-a", "203.0.113.66", "address_not_resolved"), ("pod-b", "192.0.2.10", "tier_default_deny"),
                ("pod-b", "203.0.113.10", "tier_default_deny"),
            ] {
                let stream = try node.stream(pod, to: address)
                for _ in 0..<5 { #expect(stream.exchange() == .echoed) }
                let flow = try node.flow(pod, to: address, verdict: "audit_deny")
                #expect(flow.reason == reason)
                #expect(flow.tier == "default")
                #expect(flow.port == 7_000 && flow.transport == "TCP")
            }
            // The counters of the table are read once a second.
            let rejected = "exeat_kernel_refused_packets_total{reason=\"rejected\"}"
            try Stopwatch.wait("the table's counters", seconds: 3) { try !node.metrics()[rejected].isNaN }
            #expect(try node.metrics()[rejected] == 0)

            // A pod that nobody described.
            try node.lab.addPod(.init(name: "pod-late", labels: [:]))
            #expect(try node.isReached("pod-late", "203.0.113.66"))
        }
    }
}
