import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Others change what enforcement rests on, and parts of it are lost.
    @Suite struct TamperTests {
        private static let denied = "203.0.113.66"

        private static func makeNode(_ settings: NodeSettings = NodeSettings(), arguments: [String] = []) throws -> RunningNode {
            let node = try RunningNode(
                settings,
                policies: [
                    "shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"]), "rest.yaml": PolicyText.denyRest,
                ], arguments: arguments)
            try node.echo("192.0.2.10", denied)
            try node.resolve("api.example.org", from: "pod-a")
            return node
        }

        // MARK: The table

        @Test func `a table that anybody may change is put back within a second of a foreign change, and the log names who did it`() throws
        {
            let node = try Self.makeNode(arguments: ["--pretend", "table owner and persist=no"])
            defer { node.stop() }
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.10"), every: 0.01, in: node.lab)
            let before = try Self.table(node)
            let pod = try node.pod("pod-a")
            let attempts = [
                "insert rule inet exeat forward accept", "flush chain inet exeat forward",
                "delete element inet exeat policed4 { \(pod.v4) }",
                "flush set inet exeat current4", "flush set inet exeat upstreams4", "flush table inet exeat", "delete table inet exeat",
                "flush ruleset",
                "add chain inet exeat extra { type filter hook forward priority 100; policy drop; }",
            ]
            var slowest = 0.0
            for (index, attempt) in attempts.enumerated() {
                let result = try node.lab.node.run(["nft", attempt])
                try #require(result.isSuccess, "nft \(attempt): \(result.stderr)")
                slowest = max(slowest, try Stopwatch.wait("the table after nft \(attempt)") { try Self.table(node) == before })
                #expect(try node.metrics()["exeat_table_foreign_changes_total"] >= Double(index + 1), "nft \(attempt)")
                #expect(try node.isRefused("pod-a", Self.denied), "nft \(attempt)")
                #expect(try node.isReached("pod-a", "192.0.2.10"), "nft \(attempt)")
            }
            print("tamper: the table is back after \(slowest) s at most")
            #expect(try node.metrics()["exeat_table_repairs_total"] >= Double(attempts.count))
            #expect(node.log.contains(/another process changed our table.*/), "\(node.log)")
            #expect(node.log.contains(/pid=[0-9]+ port=[0-9]+ process=nft/), "\(node.log)")
            #expect(try pump.stop().failure == nil)

            // What others do to tables of their own is nothing to us.
            let repairs = try node.metrics()["exeat_table_repairs_total"]
            _ = try node.lab.node.run(["nft", "add table inet others"])
            _ = try node.lab.node.run(["nft", "delete table inet others"])
            Thread.sleep(forTimeInterval: 0.5)
            #expect(try node.metrics()["exeat_table_repairs_total"] == repairs)
        }

        @Test(arguments: [
            "flush ruleset", "delete table inet exeat", "insert rule inet exeat forward accept", "flush chain inet exeat forward",
        ])
        func `a table that was changed while daemon and holder were dead is whole after the next start`(_ attempt: String) throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let before = try Self.table(node)
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.10"), every: 0.01, in: node.lab)
            try node.end(SIGKILL)
            try node.killHolder()
            let result = try node.lab.node.run(["nft", attempt])
            try #require(result.isSuccess, "nft \(attempt): \(result.stderr)")
            try node.start()
            #expect(try Self.table(node) == before)
            #expect(try node.isRefused("pod-a", Self.denied))
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try pump.stop().failure == nil)
        }

        @Test func `a table that cannot be removed is not given up: the daemon goes on`() throws {
            let node = try Self.makeNode(arguments: ["--pretend", "table owner and persist=no"])
            defer { node.stop() }
            let thief = try Self.keepTable(node)
            defer { thief.terminate() }
            let result = try node.exeat("down")
            #expect(!result.isSuccess && result.stderr.contains("the table is owned"), "\(result.stderr)")
            try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["www.example.org"])) }
            #expect(try node.lab.node.run(["curl", "-sf", "-m", "3", "http://127.0.0.1:9253/health"]).isSuccess)
            #expect(try node.metrics()["exeat_ready"] == 0, "the kernel refuses the table of this policy")
        }

        @Test func `a table that another process kept for itself is put back with the policy of meanwhile`() throws {
            let node = try Self.makeNode(arguments: ["--pretend", "table owner and persist=no"])
            defer { node.stop() }
            let before = try Self.table(node)
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            #expect(stream.exchange() == .echoed)
            let thief = try Self.keepTable(node)
            try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["www.example.org"])) }
            #expect(try node.metrics()["exeat_ready"] == 0)
            // Its table goes with it.
            thief.terminate()
            try Stopwatch.wait("the table is back") { try Self.table(node).count >= before.count }
            try Stopwatch.wait("the daemon says so") { try node.metrics()["exeat_ready"] == 1 }
            #expect(try node.isRefused("pod-a", "192.0.2.10"), "the policy of meanwhile")
            #expect(try node.isRefused("pod-a", Self.denied))
            #expect(stream.exchange() == .ended(errno: ECONNRESET))
            try node.resolve("www.example.org", from: "pod-a")
            let repairs = try node.metrics()["exeat_table_repairs_total"]
            Thread.sleep(forTimeInterval: 2)
            #expect(try node.metrics()["exeat_table_repairs_total"] == repairs)
        }

        @Test func `the end of the holder is reported, and the next start has one again`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            #expect(try node.metrics()["exeat_holder_up"] == 1)
            let rules = try Self.table(node)
            try node.killHolder()
            try Stopwatch.wait("the daemon sees it") { try node.metrics()["exeat_holder_up"] == 0 }
            #expect(node.log.contains("the holder has gone"))
            // The daemon's own descriptors go on owning table and queues.
            _ = try node.lab.node.run(["nft", "flush ruleset"])
            #expect(try Self.table(node) == rules)
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.end(SIGTERM) == 0)
            #expect(try !node.isReached("pod-a", Self.denied), "the table stays, nobody is at the queue")
            try node.start()
            #expect(try node.metrics()["exeat_holder_up"] == 1)
            #expect(try node.isRefused("pod-a", Self.denied))
        }

        @Test func `a socket of the table that is useless is replaced, and the table stays in force and owned`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let before = try Self.table(node)
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            let witness = try Witness(in: node.lab, to: try #require(IPAddress(parsing: Self.denied)))
            try Self.deafen(try HeldSocket("table", runtimeDirectory: node.runtimeDirectory))
            // Each read that is never answered takes 5 s.
            try Stopwatch.wait("the socket is replaced", seconds: 60) { try node.metrics()["exeat_table_repairs_total"] >= 1 }
            #expect(try Self.table(node) == before)
            _ = try node.lab.node.run(["nft", "flush ruleset"])
            #expect(try Self.table(node) == before, "owned again")
            #expect(stream.exchange() == .echoed)
            #expect(try node.isReached("pod-a", "192.0.2.10"))
            #expect(try node.isRefused("pod-a", Self.denied))
            try node.afterReload { try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["www.example.org"])) }
            #expect(stream.exchange() == .ended(errno: ECONNRESET))
            #expect(try witness.packets() == 0)
            try node.end(SIGKILL)
            try node.start()
            #expect(try node.isRefused("pod-a", Self.denied))
        }

        // MARK: Queues

        @Test func `a queue that has lost its binding is bound again within a second`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let witness = try Witness(in: node.lab, to: try #require(IPAddress(parsing: Self.denied)))
            let prober = try Prober(
                in: try node.pod("pod-a"), to: try #require(IPAddress(parsing: Self.denied)), port: RunningNode.echoPort)
            for round in 1...3 {
                try Self.unbind(node)
                let seconds = try Stopwatch.wait("the queue is bound again") {
                    try node.metrics()["exeat_queue_rebinds_total{queue=\"100\"}"] == Double(round)
                }
                print("tamper: the queue is back after \(seconds) s")
                #expect(try node.isReached("pod-a", "192.0.2.10"))
                #expect(try node.isRefused("pod-a", Self.denied))
            }
            #expect(try node.metrics()["exeat_queue_foreign"] == 0)
            #expect(try prober.stop().reached == 0)
            #expect(try witness.packets() == 0)
        }

        @Test func `while another process has a queue number new flows are refused and open ones go on`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let stream = try node.stream("pod-a", to: "192.0.2.10")
            #expect(stream.exchange() == .echoed)
            let runtimeDirectory = node.runtimeDirectory
            // Taken before the daemon can take it back.
            let thief = try node.lab.node.withThread {
                let thief = try QueueCommand.socket()
                let held = try HeldSocket("queue-100", runtimeDirectory: runtimeDirectory)
                try QueueCommand.send(QueueCommand.unbind, queue: 100, on: held.descriptor)
                try QueueCommand.send(QueueCommand.bind, queue: 100, on: thief)
                return thief
            }
            try Stopwatch.wait("the daemon sees it") { try node.metrics()["exeat_queue_foreign"] == 1 }
            #expect(node.log.contains("held by what is probably process \(getpid()) ("), "\(node.log)")
            #expect(try node.connect("pod-a", to: "192.0.2.10", timeoutMilliseconds: 300) == .timedOut)
            #expect(try node.connect("pod-a", to: Self.denied, timeoutMilliseconds: 300) == .timedOut)
            #expect(stream.exchange() == .echoed)
            close(thief)
            try Stopwatch.wait("the gate works again") { try node.metrics()["exeat_queue_foreign"] == 0 }
            try Stopwatch.wait("new flows pass") { try node.isReached("pod-a", "192.0.2.10") }
            #expect(try node.isRefused("pod-a", Self.denied))
            #expect(stream.exchange() == .echoed)
        }

        @Test func `a queue number in use at the start is an error that names the process`() throws {
            let node = try RunningNode(policies: ["shop.yaml": PolicyText.allow("shop", domains: ["api.example.org"])], starts: false)
            defer { node.stop() }
            let thief = try node.lab.node.withThread {
                let thief = try QueueCommand.socket()
                try QueueCommand.send(QueueCommand.bind, queue: 100, on: thief)
                return thief
            }
            #expect(try node.startInVain() != 0)
            #expect(node.log.contains("queue 100 is held by process \(getpid()) ("), "\(node.log)")
            close(thief)
            try node.start()
        }

        @Test func `a full queue drops, counts and says so`() throws {
            let node = try Self.makeNode(NodeSettings(extra: "queues: {lengthMax: 64}"))
            defer { node.stop() }
            let daemon = try node.suspend()
            let denied = try #require(IPAddress(parsing: Self.denied))
            try node.pod("pod-a").namespace.withThread {
                for port in UInt16(20_000)..<20_200 { _ = LabClient.udp(to: denied, port: port, timeoutMilliseconds: 0) }
            }
            daemon.kill(SIGCONT)
            try Stopwatch.wait("the drops are counted") { try node.metrics()["exeat_queue_dropped_total{queue=\"100\"}"] >= 100 }
            try Stopwatch.wait("the drops are logged") { node.log.contains("packets dropped: verdicts come too slowly") }
            #expect(try node.isReached("pod-a", "192.0.2.10"))
        }

        // MARK: Interfaces

        @Test func `an interface that is renamed under its endpoint opens nothing and is reported both ways`() throws {
            let node = try Self.makeNode()
            defer { node.stop() }
            let pod = try node.pod("pod-a")
            let witness = try Witness(in: node.lab, to: try #require(IPAddress(parsing: Self.denied)))
            let name = pod.interfaceOnNode
            func rename(_ old: String, _ new: String) throws {
                // Routes go with the interface being down, and come back by hand.
                let script = """
                    ip link set \(old) down && ip link set \(old) name \(new) && ip link set \(new) up
                    ip route replace \(pod.v4)/32 dev \(new)
                    """
                let result = try node.lab.node.run(["sh", "-c", script])
                try #require(result.isSuccess, "\(result.stderr)")
            }
            #expect(try node.metrics()["exeat_endpoint_interfaces_missing"] == 0)
            try rename(name, "other0")
            try Stopwatch.wait("the daemon sees it") { try node.metrics()["exeat_endpoint_interfaces_missing"] == 1 }
            #expect(node.log.contains("renamed_to=other0"), "\(node.log)")
            #expect(try node.connect("pod-a", to: Self.denied, timeoutMilliseconds: 300) == .timedOut)
            #expect(try node.connect("pod-a", to: "192.0.2.10", timeoutMilliseconds: 300) == .timedOut)
            #expect(try witness.packets() == 0)
            try rename("other0", name)
            try Stopwatch.wait("the daemon sees it") { try node.metrics()["exeat_endpoint_interfaces_missing"] == 0 }
            try Stopwatch.wait("the pod works again") { try node.isReached("pod-a", "192.0.2.10") }
            #expect(try node.isRefused("pod-a", Self.denied))
        }

        // MARK: Helpers

        /// What the table says, apart from counters, owner and the order of elements.
        private static func table(_ node: RunningNode) throws -> [String] {
            let text = try node.lab.node.run(["nft", "list table inet exeat"]).stdout
            // Counters, and what the packet path adds by itself, change all the time.
            return text.replacing(/packets [0-9]+ bytes [0-9]+/, with: "").replacing(/# progname .*/, with: "")
                .replacing(/((?:map leases|set asked|set queried|set limited|set begun)[46] \{[^{}]*?)elements = \{[^{}]*\}/) {
                    $0.output.1
                }
                .split { " \t\n,".contains($0) }.map(String.init).sorted()
        }

        /// An nft that has taken the table, which nobody owns, and owns it as long as it waits for more commands.
        private static func keepTable(_ node: RunningNode) throws -> ChildProcess {
            let pipe = node.lab.directory + "/commands"
            let made = try node.lab.node.run(["mkfifo", pipe])
            try #require(made.isSuccess, "\(made.stderr)")
            let command = "delete table inet exeat; add table inet exeat { flags owner; }"
            // Both ends are its own, so that it never reads the end.
            let thief = try node.lab.node.spawn(["sh", "-c", "exec 3<> \(pipe); echo '\(command)' >&3; exec nft -i <&3"])
            try Stopwatch.wait("the table cannot be put back") { node.log.contains("the table cannot be installed") }
            return thief
        }

        /// Nothing is received on it any more: a socket filter (socket(7)) of one instruction, `return 0`.
        private static func deafen(_ socket: borrowing HeldSocket) throws {
            var program: [UInt8] = [6, 0, 0, 0, 0, 0, 0, 0]  // struct sock_filter: BPF_RET | BPF_K
            let status = unsafe program.withUnsafeMutableBytes { instruction in
                // struct sock_fprog: a length of 16 bits, and a pointer.
                var filter: (UInt, UInt) = (1, UInt(bitPattern: instruction.baseAddress))
                return unsafe setsockopt(
                    socket.descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, socklen_t(MemoryLayout<(UInt, UInt)>.size))
            }
            guard status == 0 else { throw Problem("SO_ATTACH_FILTER: errno \(errno)") }
        }

        /// As if the kernel had lost the binding: an unbind message by the daemon's own socket.
        private static func unbind(_ node: RunningNode) throws {
            let held = try HeldSocket("queue-100", runtimeDirectory: node.runtimeDirectory)
            try QueueCommand.send(QueueCommand.unbind, queue: 100, on: held.descriptor)
        }
    }
}
