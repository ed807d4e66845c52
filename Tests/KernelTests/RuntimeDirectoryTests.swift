import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// What outlives the daemon, when it does not come back as it was left.
    @Suite struct RuntimeDirectoryTests {
        private static let policies = [
            "any.yaml": PolicyText.allow("any", selector: "all()", domains: ["api.example.org", "*.names.test"]),
            "rest.yaml": PolicyText.denyRest,
        ]

        // MARK: Numbers of endpoints

        @Test func `when the numbers of endpoints begin anew no endpoint has the bindings of another`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            // The other way round than a start with both would number them.
            try node.writeEndpoints(without: ["pod-a"])
            try node.start()
            try node.echo("192.0.2.10")
            try node.afterReload { try node.writeEndpoints() }
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            try node.end(SIGKILL)
            try node.write(settings: NodeSettings(extra: "endpointsMax: 8192"))
            try node.start()
            #expect(try node.bindings().filter { $0.endpoint.contains("pod-b") }.isEmpty)
            #expect(try node.isRefused("pod-b", "192.0.2.10"))
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
        }

        @Test func `an endpoint that went during a start that failed leaves its bindings to nobody`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            try node.start()
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            try node.end(SIGKILL)
            let path = node.runtimeDirectory + "/bindings"
            try FileManager.default.moveItem(atPath: path, toPath: path + "-kept")
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            try node.writeEndpoints(without: ["pod-a"])
            #expect(try node.startInVain() != 0)
            #expect(node.log.contains(path))
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.moveItem(atPath: path + "-kept", toPath: path)
            // Another endpoint at the same addresses.
            try node.writeEndpoints(names: ["pod-a": "pod-next"])
            try node.start()
            #expect(try node.bindings().isEmpty)
            #expect(try node.isRefused("pod-a", "192.0.2.10"))
        }

        @Test func `endpoints that take the place of others find room at once, and those beyond endpointsMax are told of`() throws {
            let node = try RunningNode(NodeSettings(extra: "endpointsMax: 2"), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.afterReload { try node.writeEndpoints(names: ["pod-a": "next-a", "pod-b": "next-b"]) }
            try Stopwatch.wait("both are known") { try node.metrics()["exeat_policy_endpoints"] == 2 }
            try node.resolve("api.example.org", from: "pod-b")
            #expect(try node.isReached("pod-b", "192.0.2.10"))
            #expect(try node.metrics()["exeat_policy_endpoints_unnumbered"] == 0)
            _ = try node.lab.addPod(.init(name: "pod-late", labels: ["app": "shop"]))
            try node.afterReload { try node.writeEndpoints(names: ["pod-a": "next-a", "pod-b": "next-b"]) }
            try Stopwatch.wait("it is told of") { try node.metrics()["exeat_policy_endpoints_unnumbered"] == 1 }
            #expect(node.log.contains("endpoints without a number") && node.log.contains("pod-late"))
            #expect(try node.isReached("pod-b", "192.0.2.10"))
        }

        @Test func `what flows bear is not read as another generation when markMask changes`() throws {
            let node = try RunningNode(NodeSettings(extra: "markMask: 0x1f7e"), policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            #expect(stream.exchange() == .echoed)
            // The next generation, whose number is that of the first one lower bit further on. The stream does not see it.
            try node.afterReload {
                try node.write(policy: "any.yaml", PolicyText.allow("any", selector: "all()", domains: ["www.example.org"]))
            }
            try node.end(SIGKILL)
            try node.write(settings: NodeSettings())
            try node.start()
            #expect(stream.exchange() != .echoed)
        }

        // MARK: The holder

        @Test func `a holder that does not answer ends a start aloud, and keeps nobody from ending it`() throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            let holder = try node.holder()
            try node.end(SIGKILL)
            try #require(kill(holder, SIGSTOP) == 0)
            let daemon = try node.launch()
            let status = daemon.wait(timeoutSeconds: 30)
            #expect(status != nil && status != 0)
            #expect(node.log.contains("the holder does not answer"))
            #expect(node.log.contains("\(holder)"), "who it is")
            let down = try node.exeat("down")
            #expect(!down.isSuccess && down.stderr.contains("the holder does not answer"), "\(down)")
            #expect(stream.exchange() == .echoed)
            if status == nil { daemon.kill(SIGKILL) }
            try node.killHolder()
            try node.start()
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(stream.exchange() == .echoed)
        }

        @Test func `exeat down does not take the table from under a daemon that starts`() throws {
            let node = try RunningNode(policies: Self.policies)
            defer { node.stop() }
            try node.end(SIGKILL)
            func table() throws -> String { try node.lab.node.run(["nft", "list", "tables"]).stdout }
            // As between a start's first step and its control socket.
            let lock = unsafe open(node.runtimeDirectory + "/lock", O_RDWR)
            try #require(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
            let down = try node.exeat("down")
            #expect(!down.isSuccess && down.stderr.contains("starting or ending"), "\(down)")
            #expect(try table().contains("inet exeat"))
            close(lock)
            #expect(try node.exeat("down").isSuccess)
            #expect(try !table().contains("inet exeat"))
        }
    }
}
