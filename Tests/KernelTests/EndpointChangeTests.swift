import Glibc
import Testing

extension KernelSuites {
    @Suite struct EndpointChangeTests {
        @Test func `labels, endpoints that go and endpoints that come take effect at run time`() throws {
            let node = try RunningNode(policies: [
                "shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]),
                "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", domains: ["files.example.test"]),
                "rest.yaml": PolicyText.denyRest,
            ])
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.10")
            let (shop, files) = ("192.0.2.10", "203.0.113.10")
            for name in ["api.example.org", "files.example.test"] {
                for pod in ["pod-a", "pod-b"] { try node.resolve(name, from: pod) }
            }
            let other = try StreamPump(try node.stream("pod-b", to: files), every: 0.01, in: node.lab)

            // Relabelled: what the old labels allowed ends, what the new ones allow works by the bindings there are.
            let stream = try node.stream("pod-a", to: shop)
            #expect(try node.isRefused("pod-a", files))
            try node.afterReload { try node.writeEndpoints(labels: ["pod-a": ["app": "batch"]]) }
            #expect(stream.exchange() != .echoed)
            #expect(try node.isRefused("pod-a", shop))
            #expect(try node.isReached("pod-a", files))

            // Gone: nothing, not even what it had open.
            let last = try node.stream("pod-a", to: files)
            try node.afterReload { try node.writeEndpoints(without: ["pod-a"]) }
            #expect(last.exchange(timeoutMilliseconds: 500) != .echoed)
            #expect(try !node.isReached("pod-a", shop))
            #expect(try !node.isReached("pod-a", files))

            // Back: its old lookups are not its any more.
            try node.afterReload { try node.writeEndpoints() }
            #expect(try node.isRefused("pod-a", shop))
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", shop))

            // New.
            try node.lab.addPod(.init(name: "pod-c", labels: ["app": "shop"]))
            #expect(try !node.isReached("pod-c", shop))
            try node.afterReload { try node.writeEndpoints() }
            try node.resolve("api.example.org", from: "pod-c")
            #expect(try node.isReached("pod-c", shop))
            #expect(try node.isRefused("pod-c", files))
            #expect(try other.stop().failure == nil)
        }

        @Test func `changes that come all the time are put together, at most fifty times a second`() throws {
            let node = try RunningNode(policies: ["rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            let before = try node.metrics()["exeat_policy_reloads_total"]
            let watch = Stopwatch()
            // Each is over for long enough to be read by itself.
            for round in 0..<200 {
                try node.writeEndpoints(labels: ["pod-a": ["app": "a\(round)"]])
                usleep(11_000)
            }
            try Stopwatch.wait("the last one is in force") {
                try node.exeat("endpoints", "--json").stdout.contains("a199")
            }
            let reloads = try node.metrics()["exeat_policy_reloads_total"] - before
            #expect(reloads >= 1 && reloads <= 50 * watch.seconds + 2, "\(reloads) in \(watch.seconds) s")
        }
    }
}
