import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// What was there before the daemon: flows, and sockets of systemd.
    @Suite struct StartTests {
        @Test(arguments: ["keep", "reevaluate"])
        func `flows from before the first start go on or are decided as new ones, as existingFlows says`(_ choice: String) throws {
            let node = try RunningNode(
                NodeSettings(extra: "existingFlows: \(choice)"),
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest],
                starts: false)
            defer { node.stop() }
            try node.echo("192.0.2.10", "203.0.113.66")
            // Conntrack sees flows once some rule asks for it, as those of kube-proxy do.
            let rules = """
                add table inet others; add chain inet others forward { type filter hook forward priority 0; };
                add rule inet others forward ct state established accept
                """
            try #require(node.lab.node.run(["nft", rules]).isSuccess)
            let streams = try ["pod-a", "pod-b"].map { try node.stream($0, to: "203.0.113.66") }
            for stream in streams { #expect(stream.exchange() == .echoed) }

            try node.start()
            let isKept = choice == "keep"
            for stream in streams { #expect(stream.exchange() == (isKept ? .echoed : .ended(errno: ECONNRESET))) }
            #expect(try node.isRefused("pod-a", "203.0.113.66"), "a new flow to the same address")
            guard isKept else { return }
            #expect(node.log.contains(/flows=[1-9]/), "\(node.log)")

            // Over a crash; and until the policy of its endpoint changes.
            try node.end(SIGKILL)
            try node.start()
            for stream in streams { #expect(stream.exchange() == .echoed) }
            try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["www.example.org"])) }
            #expect(streams[0].exchange() == .ended(errno: ECONNRESET))
            #expect(streams[1].exchange() == .echoed, "nothing changed for this one")

            // What began while there was a table is never old.
            try node.end(SIGKILL)
            let late = try node.pod("pod-a").namespace.startThread {
                LabClient.connect(to: IPAddress(v4: 0xcb00_7142), port: RunningNode.echoPort, payload: [1], timeoutMilliseconds: 6_000)
            }
            Thread.sleep(forTimeInterval: 0.2)
            try node.start()
            #expect(try late.join().outcome == .refused(errno: ECONNREFUSED))
        }

        @Test func `queries that come while no daemon runs wait in the sockets of systemd and are answered by the next`() throws {
            let node = try RunningNode(
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest],
                starts: false)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            let sockets = try node.lab.node.withThread { try [SocketKind.datagram, SocketKind.stream].map { try Self.bound($0) } }
            defer { for socket in sockets { close(socket) } }
            node.launcher = Self.launcher(sockets)
            for round in 1...2 {
                let waiting = try node.pod("pod-a").namespace.startThread {
                    LabClient.resolve("api.example.org", server: RunningNode.resolver, timeoutMilliseconds: 10_000)
                }
                Thread.sleep(forTimeInterval: 0.3)
                try node.start()
                #expect(try waiting.join().addresses.map(\.description).contains("192.0.2.10"), "round \(round)")
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                let held = try Self.sockets(of: try #require(node.daemon).pid)
                for socket in sockets { #expect(held.contains(try Self.inode(socket)), "the daemon serves its own socket") }
                let answer = try node.pod("pod-a").namespace.run(["dig", "+tcp", "+short", "@169.254.20.10", "api.example.org"])
                #expect(answer.stdout.contains("192.0.2.10"))
                #expect(try node.exeat("down").isSuccess)
                try #require(node.daemon?.wait(timeoutSeconds: 5) == 0)
            }
        }

        @Test(arguments: [false, true])
        func `systemd is told when policy is in force, and when the daemon ends`(isAbstract: Bool) throws {
            let node = try RunningNode(policies: ["rest.yaml": PolicyText.denyRest], starts: false)
            defer { node.stop() }
            let place = isAbstract ? "@exeat-\(getpid())" : node.lab.directory + "/notify"
            let manager = try node.lab.node.withThread { try Self.manager(place) }
            defer { close(manager) }
            node.launcher = { ["env", "NOTIFY_SOCKET=\(place)"] + $0 }
            try node.start()
            #expect(Self.message(manager) == "READY=1")
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
            #expect(try node.end(SIGTERM) == 0)
            #expect(Self.message(manager) == "STOPPING=1")
            // A start that fails tells of nothing.
            try node.write(policy: "rest.yaml", "kind: [\n")
            #expect(try node.startInVain() == 1)
            #expect(Self.message(manager, milliseconds: 300) == nil)
        }

        /// A socket like that of systemd, which anybody may write to.
        private static func manager(_ place: String) throws -> Int32 {
            let descriptor = socket(AF_UNIX, SocketKind.datagram | SocketKind.closeOnExec, 0)
            try #require(descriptor >= 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            var path = Array(place.utf8)
            let isAbstract = path[0] == UInt8(ascii: "@")
            if isAbstract { path[0] = 0 }
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
                for (index, byte) in path.enumerated() { unsafe target[index] = byte }
            }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
            let status = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
            }
            try #require(status == 0)
            if !isAbstract { try #require(unsafe chmod(place, 0o666) == 0) }
            return descriptor
        }

        private static func message(_ descriptor: Int32, milliseconds: Int32 = 5_000) -> String? {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&entry, 1, milliseconds) > 0 else { return nil }
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
        }

        @Test func `two restarts under 5,000 queries a second lose none`() throws {
            let node = try RunningNode(
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["*.example.org"]), "rest.yaml": PolicyText.denyRest],
                starts: false)
            defer { node.stop() }
            let sockets = try node.lab.node.withThread { try [SocketKind.datagram, SocketKind.stream].map { try Self.bound($0) } }
            defer { for socket in sockets { close(socket) } }
            node.launcher = Self.launcher(sockets)
            try node.start()
            let load = try QueryLoad(from: try node.pod("pod-a"), to: RunningNode.resolver, perSecond: 5_000)
            for _ in 1...2 {
                Thread.sleep(forTimeInterval: 1)
                #expect(try node.end(SIGTERM) == 0)
                try node.start()
            }
            Thread.sleep(forTimeInterval: 1)
            let result = try load.finish()
            print("restarts: \(result.sent) queries in \(result.seconds) s, \(result.answered) answered, \(result.failed) of them badly")
            #expect(result.sent < QueryLoad.queriesMax, "the load ended before the scene did")
            #expect(result.answered == result.sent && result.failed == 0)
            #expect(Double(result.sent) > 4_000 * result.seconds)
        }

        /// Hands both sockets over as systemd does (sd_listen_fds(3)).
        private static func launcher(_ sockets: [Int32]) -> ([String]) -> [String] {
            let script = """
                exec 3<&\(sockets[0]) 4<&\(sockets[1]) \(sockets[0])<&- \(sockets[1])<&-
                LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=dns-udp:dns-tcp exec "$@"
                """
            return { ["bash", "-c", script, "bash"] + $0 }
        }

        /// Bound to the resolver's address, and inherited by what is started.
        private static func bound(_ kind: Int32) throws -> Int32 {
            let descriptor = socket(AF_INET, kind, 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(53).bigEndian
            address.sin_addr.s_addr = RunningNode.resolver.v4.bigEndian
            var one: Int32 = 1
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
            let status = unsafe withUnsafePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard status == 0, kind == SocketKind.datagram || listen(descriptor, 16) == 0 else { throw Problem("bind: errno \(errno)") }
            return descriptor
        }

        private static func inode(_ descriptor: Int32) throws -> String {
            try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
        }

        private static func sockets(of process: pid_t) throws -> Set<String> {
            let folder = "/proc/\(process)/fd"
            return Set(
                try FileManager.default.contentsOfDirectory(atPath: folder).compactMap {
                    try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
                })
        }
    }
}
