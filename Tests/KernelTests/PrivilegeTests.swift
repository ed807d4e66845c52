import CLinux
import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// What daemon and holder may still do after the start.
    @Suite struct PrivilegeTests {
        private static let kept = "0000000000003400"
        private static let none = "0000000000000000"

        @Test(arguments: ["root", "nobody"])
        func `after the start every thread has three capabilities, those of the holder none, and all still works`(_ user: String) throws {
            let account = user == "root" ? (0, 0) : try #require(Self.account(user), "no user \(user)")
            let node = try RunningNode(
                NodeSettings(user: user),
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest],
                starts: false)
            defer { node.stop() }
            try Self.open(node)
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.start()
            for round in 1...3 {
                try Self.checkStatus(try #require(node.daemon).pid, account, capabilities: Self.kept)
                try Self.checkStatus(try node.holder(), account, capabilities: Self.none)
                try node.resolve("api.example.org", from: "pod-a")
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                #expect(try node.isRefused("pod-a", "203.0.113.66"))
                #expect(try node.flow("pod-a", to: "192.0.2.10", verdict: "allow").names == ["api.example.org"])
                // Reload, in and out.
                try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["www.example.org"])) }
                #expect(try node.isRefused("pod-a", "192.0.2.10"))
                try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["api.example.org"])) }
                // The queues' counters, which only root may open.
                #expect(try node.status()["kernel_queue_drops"] != nil)
                #expect(try node.metrics()["exeat_queue_waiting{queue=\"100\"}"] == 0)
                // A queue that is lost is bound again without more.
                let before = try node.metrics()["exeat_queue_rebinds_total{queue=\"100\"}"]
                let held = try HeldSocket("queue-100", runtimeDirectory: node.runtimeDirectory)
                try QueueCommand.send(QueueCommand.unbind, queue: 100, on: held.descriptor)
                try Stopwatch.wait("the queue is bound again") {
                    try node.metrics()["exeat_queue_rebinds_total{queue=\"100\"}"] > before
                }
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                guard round < 3 else { break }
                // The next one takes over from the holder.
                let stream = try node.stream("pod-a", to: "192.0.2.10")
                try node.end(round == 1 ? SIGKILL : SIGTERM)
                try node.start()
                #expect(stream.exchange() == .echoed)
                #expect(try node.metrics()["exeat_bindings_recovered_total"] >= 1)
            }
            #expect(try node.exeat("down").isSuccess)
            #expect(try node.lab.node.run(["nft", "list tables"]).stdout.isEmpty)
            try Stopwatch.wait("holder and daemon are gone", seconds: 2) { node.lab.node.processes.isEmpty }
        }

        @Test func `a runtime directory that others may write in is believed by nobody`() throws {
            let node = try RunningNode(policies: [:], starts: false)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            let folder = node.lab.directory + "/run"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            // What would take a node's own address from it.
            try "lo 127.0.0.1\n".write(toFile: folder + "/addresses", atomically: true, encoding: .utf8)
            for (change, complaint) in [
                (["chmod", "777", folder], "can be written by others"), (["chown", "nobody", folder], "who is neither root nor"),
            ] {
                try #require(node.lab.node.run(["sh", "-c", "chmod 755 \(folder); chown root \(folder)"]).isSuccess)
                try #require(node.lab.node.run(change).isSuccess)
                #expect(try node.startInVain() != 0)
                #expect(node.log.contains(complaint))
                // As after every bad start.
                #expect(try node.isReached("pod-a", "192.0.2.10") == false)
                let down = try node.exeat("down")
                #expect(!down.isSuccess && down.stderr.contains(complaint), "\(down)")
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                #expect(try node.lab.node.run(["ip", "-o", "-4", "address", "show", "dev", "lo"]).stdout.contains("127.0.0.1/8"))
            }
        }

        @Test func `a second daemon takes no file from the one that runs`() throws {
            let node = try RunningNode(policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"])])
            defer { node.stop() }
            try node.write(settings: NodeSettings(user: "nobody"))
            #expect(try node.startInVain() != 0)
            #expect(node.log.contains("another daemon uses \(node.runtimeDirectory)"))
            for path in [node.runtimeDirectory, node.runtimeDirectory + "/bindings", node.lab.directory + "/flows.jsonl"] {
                #expect(try FileManager.default.attributesOfItem(atPath: path)[.ownerAccountID] as? Int == 0, "\(path)")
            }
            #expect(try node.exeat("status").isSuccess)
        }

        @Test func `a user that does not exist is a bad start if the configuration names it`() throws {
            let node = try RunningNode(
                NodeSettings(user: "nobody-of-that-name"),
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"])], starts: false)
            defer { node.stop() }
            #expect(try node.startInVain() != 0)
            #expect(node.log.contains("there is no user nobody-of-that-name"), "\(node.log)")
        }

        @Test func `a daemon that is started with the three capabilities alone enforces`() throws {
            let node = try RunningNode(
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest],
                starts: false)
            defer { node.stop() }
            try Self.open(node)
            let account = try #require(Self.account("nobody"))
            for path in [node.runtimeDirectory, node.lab.directory + "/flows.jsonl"] {
                if path == node.runtimeDirectory {
                    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                } else {
                    try #require(FileManager.default.createFile(atPath: path, contents: nil))
                }
                let status = unsafe chown(path, uid_t(account.0), gid_t(account.1))
                try #require(status == 0)
            }
            node.launcher = {
                [
                    "setpriv", "--reuid=\(account.0)", "--regid=\(account.1)", "--clear-groups", "--no-new-privs",
                    "--bounding-set=-all,+net_admin,+net_bind_service,+net_raw", "--inh-caps=-all,+net_admin,+net_bind_service,+net_raw",
                    "--ambient-caps=-all,+net_admin,+net_bind_service,+net_raw",
                ] + $0
            }
            try node.echo("192.0.2.10", "203.0.113.66")
            try node.start()
            try Self.checkStatus(try #require(node.daemon).pid, account, capabilities: Self.kept)
            // Without CAP_SETPCAP nobody can take from the bounding set.
            try Self.checkStatus(try node.holder(), account, capabilities: Self.none, bounding: Self.kept)
            try node.resolve("api.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
            try node.end(SIGKILL)
            try node.start()
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", "203.0.113.66"))
        }

        @Test func `what the filter refuses is refused in every thread, and what is needed works`() async {
            await #expect(processExitsWith: .success) {
                // A thread from before, and one that comes afterwards.
                let before = DispatchSemaphore(value: 0)
                let done = DispatchSemaphore(value: 0)
                let failures = StopFlag()
                let check: @Sendable () -> Void = {
                    errno = 0
                    if exeat_unshare(exeat_clone_newnet()) == 0 || errno != EPERM { failures.set() }
                    errno = 0
                    if exeat_setns(0, 0) == 0 || errno != EPERM { failures.set() }
                    var process: pid_t = 0
                    var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("true"), nil]
                    if unsafe posix_spawn(&process, "/bin/true", nil, nil, &arguments, nil) == 0 {
                        var status: Int32 = 0
                        unsafe waitpid(process, &status, 0)
                        if status == 0 { failures.set() }
                    }
                    if socket(AF_PACKET, SocketKind.raw, 0) >= 0 || errno != EPERM { failures.set() }
                    for family in [AF_UNIX, AF_INET, AF_INET6] {
                        let descriptor = socket(family, SocketKind.datagram, 0)
                        if descriptor < 0 { failures.set() }
                        close(descriptor)
                    }
                    errno = 0
                    if setuid(0) == 0 || errno != EPERM { failures.set() }
                    done.signal()
                }
                Thread.detachNewThread {
                    before.wait()
                    check()
                }
                guard exeat_confine() == 0 else { exit(2) }
                before.signal()
                done.wait()
                Thread.detachNewThread(check)
                done.wait()
                exit(failures.isSet ? 1 : 0)
            }
        }

        // MARK: Helpers

        /// Of every thread of a process.
        private static func checkStatus(
            _ process: pid_t, _ account: (Int, Int), capabilities: String, bounding: String? = nil
        ) throws {
            let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
            try #require(!threads.isEmpty)
            for thread in threads {
                let text = try String(contentsOfFile: "/proc/\(process)/task/\(thread)/status", encoding: .utf8)
                let fields = Dictionary(
                    text.split(separator: "\n").compactMap { line -> (String, [Substring])? in
                        guard let colon = line.firstIndex(of: ":") else { return nil }
                        return (String(line[..<colon]), line[line.index(after: colon)...].split { " \t".contains($0) })
                    }, uniquingKeysWith: { first, _ in first })
                for set in ["CapPrm", "CapEff"] { #expect(fields[set] == [capabilities[...]], "thread \(thread): \(set)") }
                #expect(fields["CapBnd"] == [(bounding ?? capabilities)[...]], "thread \(thread)")
                #expect(fields["NoNewPrivs"] == ["1"], "thread \(thread)")
                #expect(fields["Seccomp"] == ["2"], "thread \(thread)")
                #expect(fields["Uid"] == Array(repeating: "\(account.0)", count: 4), "thread \(thread)")
                #expect(fields["Gid"] == Array(repeating: "\(account.1)", count: 4), "thread \(thread)")
                if account.0 != 0 { #expect(fields["Groups"]?.filter { $0 != "\(account.1)" } == [], "thread \(thread)") }
            }
        }

        private static func account(_ name: String) -> (Int, Int)? {
            guard let entry = unsafe getpwnam(name) else { return nil }
            return unsafe (Int(entry.pointee.pw_uid), Int(entry.pointee.pw_gid))
        }

        /// Lets other users into the lab's folder, as packaging does with the real ones.
        private static func open(_ node: RunningNode) throws {
            let result = try node.lab.node.run(["chmod", "-R", "a+rX", node.lab.directory])
            try #require(result.isSuccess, "\(result.stderr)")
        }
    }
}
