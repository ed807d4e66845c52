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

        @Test func `where the boot has no id nothing is taken over from what could be another boot`() throws {
            let node = try RunningNode(policies: Self.policies, starts: false)
            defer { node.stop() }
            node.launcher = {
                ["unshare", "-m", "sh", "-c", "mount --bind /dev/null /proc/sys/kernel/random/boot_id && exec \"$@\"", "sh"] + $0
            }
            try node.start()
            try node.echo("192.0.2.10")
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            try node.end(SIGKILL)
            try node.start()
            #expect(node.log.contains("nothing is recovered of the daemon before"))
            #expect(try node.bindings().isEmpty)
            #expect(try node.isRefused("pod-a", "192.0.2.10"))
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
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

        // MARK: Disks

        private static let zone = (1...200).map { "many\($0 / 20) 300 A 198.51.100.\($0)\n" }.joined()

        /// 200 bindings.
        private static func learnMany(_ node: RunningNode, _ pod: String) throws {
            for number in 0...10 { try node.resolve("many\(number).names.test", from: pod) }
        }

        /// Small tables.
        private static var settings: NodeSettings {
            NodeSettings(
                bindings: "  bindings: 4096\n  bindingsPerClient: 4096\n", extra: "endpointsMax: 64\nflowsMax: 1024\n")
        }

        @Test func `a full disk costs what would be kept, which is counted, and neither the daemon nor a packet`() throws {
            let node = try RunningNode(Self.settings, zones: ["names.test": Self.zone], policies: Self.policies, starts: false)
            defer { node.stop() }
            func run(_ script: String) throws {
                let result = try node.lab.node.run(["sh", "-c", script])
                try #require(result.isSuccess, "\(script): \(result.stderr)")
            }
            let folder = node.runtimeDirectory
            try run("mkdir -p \(folder) && mount -t tmpfs -o size=8m,mode=750 exeat-test \(folder)")
            defer { try? run("umount -l \(folder)") }
            try node.start()
            try node.echo("192.0.2.10", "198.51.100.100")
            try run("dd if=/dev/zero of=\(folder)/filler bs=4k count=4096 2>/dev/null || true")
            try node.resolve("api.example.org", from: "pod-a")
            for pod in ["pod-a", "pod-b"] { try Self.learnMany(node, pod) }
            #expect(try node.isReached("pod-a", "198.51.100.100"))
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.bindings().count == 401)
            #expect(try node.metrics()["exeat_bindings_unkept_total"] > 0)
            try Stopwatch.wait("the log names the file") { node.log.contains("no more room for \(folder)/bindings") }
            // The next one has room for what it needs.
            try node.end(SIGKILL)
            try node.start()
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
        }

        @Test func `a file that is cut short in use ends the daemon with its name, and the next start goes on`() throws {
            let node = try RunningNode(Self.settings, zones: ["names.test": Self.zone], policies: Self.policies)
            defer { node.stop() }
            try node.echo("192.0.2.10", "198.51.100.100")
            try node.resolve("api.example.org", from: "pod-a")
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            let path = node.runtimeDirectory + "/bindings"
            let isCut = unsafe truncate(path, 0) == 0
            try #require(isCut)
            let pod = try node.pod("pod-a")
            _ = try pod.namespace.withThread {
                LabClient.resolve("many1.names.test", server: RunningNode.resolver, timeoutMilliseconds: 1_000)
            }
            let status = node.daemon?.wait(timeoutSeconds: 5)
            #expect(status != nil)
            #expect(node.log.contains(path), "\(node.log)")
            #expect(stream.exchange() == .echoed)
            try node.start()
            #expect(stream.exchange() == .echoed)
            try Self.learnMany(node, "pod-a")
            #expect(try node.isReached("pod-a", "198.51.100.100"))
        }
    }
}
