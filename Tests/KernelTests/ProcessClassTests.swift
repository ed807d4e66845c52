import CLinux
import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Host endpoints that stand for the processes of a user.
    @Suite struct ProcessClassTests {
        private static let backup: uid_t = 2_001
        private static let web: uid_t = 2_150
        private static let other: uid_t = 2_300

        private static func endpoint(_ name: String, _ users: String) -> String {
            """
            ---
            apiVersion: projectcalico.org/v3
            kind: HostEndpoint
            metadata: {name: \(name), annotations: {exeat.io/uid: "\(users)"}}
            spec: {node: node, interfaceName: "*"}

            """
        }

        private static let node = """
            ---
            apiVersion: projectcalico.org/v3
            kind: HostEndpoint
            metadata: {name: all, labels: {role: node}}
            spec: {node: node, interfaceName: "*"}

            """

        private static func allow(_ name: String, _ selector: String, domains: String) -> String {
            """
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: \(name)}
            spec:
              selector: \(selector)
              types: [Egress]
              egress: [{action: Allow, protocol: TCP, destination: {domains: [\(domains)]}}]

            """
        }

        private static let classes = endpoint("backup", "2001") + endpoint("web", "2100-2199")
        private static let rules =
            allow("backup", "exeat.io/uid == '2001'", domains: "api.example.org")
            + allow("web", "exeat.io/uid == '2100-2199'", domains: "api.example.org")

        private static func reaches(_ user: uid_t, _ address: String = "192.0.2.10", on node: RunningNode) throws -> Bool {
            let target = try #require(IPAddress(parsing: address))
            let outcome = try node.lab.node.withThread {
                exeat_set_file_user(user)
                return LabClient.connect(to: target, port: RunningNode.echoPort, payload: [1], timeoutMilliseconds: 1_000).outcome
            }
            return outcome == .answered
        }

        /// Asks a server that is not there: what answers is the interceptor.
        private static func resolve(_ user: uid_t, on node: RunningNode, server: IPAddress = IPAddress(v4: 0xcb00_7135)) throws -> Bool {
            try node.lab.node.withThread {
                exeat_set_file_user(user)
                return !LabClient.resolve("api.example.org", server: server).addresses.isEmpty
            }
        }

        private static func stream(_ user: uid_t, on node: RunningNode) throws -> EchoStream {
            try EchoStream(in: node.lab.node, to: IPAddress(v4: 0xc000_020a), port: RunningNode.echoPort, user: user)
        }

        @Test func `processes reach what their class may and has resolved itself, and so do those of no class`() throws {
            let node = try RunningNode(policies: ["host.yaml": Self.node + Self.classes + Self.rules])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            for user in [Self.backup, Self.web, Self.other, 0] { #expect(try !Self.reaches(user, on: node), "\(user): nothing resolved") }
            #expect(try Self.resolve(Self.backup, on: node))
            #expect(try Self.reaches(Self.backup, on: node))
            #expect(try !Self.reaches(Self.web, on: node), "another class resolved it")
            #expect(try !Self.reaches(Self.other, on: node), "of no class")
            // By a stub resolver's address too, and over TCP.
            #expect(try Self.resolve(Self.web, on: node, server: IPAddress(v4: 0x7f00_0035)))
            #expect(try Self.reaches(Self.web, on: node))
            #expect(try Self.resolve(0, on: node, server: RunningNode.resolver))
            #expect(try !Self.reaches(0, on: node), "no rule for the node itself")
            let owners = Set(try node.bindings().map(\.endpoint))
            #expect(owners.isSuperset(of: ["hostendpoint:backup", "hostendpoint:web"]), "\(owners)")
            let list = try node.lab.node.run(["nft", "list", "ruleset"])
            #expect(list.isSuccess && list.stdout.contains("meta skuid 2001"), "\(list.stdout)\(list.stderr)")
        }

        @Test func `a change of one class's policy cuts its flows, also those that only receive, and no others`() throws {
            let node = try RunningNode(policies: ["host.yaml": Self.node + Self.classes, "rules.yaml": Self.rules])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            for user in [Self.backup, Self.web] { #expect(try Self.resolve(user, on: node)) }
            let backup = try Self.stream(Self.backup, on: node)
            let web = try Self.stream(Self.web, on: node)
            let pushed = try PushPair(
                to: IPAddress(v4: 0xc000_020a), port: 7_002, from: node.lab.node, in: node.lab.internet, user: Self.backup)
            #expect(pushed.push())
            for stream in [backup, web] { #expect(stream.exchange() == .echoed) }
            // Over a crash each flow keeps its class.
            try node.end(SIGKILL)
            try node.start()
            for stream in [backup, web] { #expect(stream.exchange() == .echoed) }
            try node.afterReload {
                try node.write(
                    policy: "rules.yaml",
                    Self.allow("backup", "exeat.io/uid == '2001'", domains: "www.example.org")
                        + Self.allow("web", "exeat.io/uid == '2100-2199'", domains: "api.example.org"))
            }
            #expect(!pushed.push(), "the other side speaks first")
            #expect(backup.exchange() == .ended(errno: ECONNRESET))
            #expect(web.exchange() == .echoed)
            #expect(try Self.reaches(Self.web, on: node))
            #expect(try !Self.reaches(Self.backup, on: node))
        }

        @Test func `where only processes are policed the rest of the node is as free as before`() throws {
            let node = try RunningNode(
                policies: ["host.yaml": Self.endpoint("backup", "2001"), "ghost.yaml": Self.endpoint("ghost", "no-such-user")],
                starts: false)
            defer { node.stop() }
            try node.echo("192.0.2.10")
            let before = try Self.stream(Self.backup, on: node)
            let free = try Self.stream(Self.other, on: node)
            try node.start()
            #expect(try !Self.reaches(Self.backup, on: node))
            #expect(before.exchange() == .ended(errno: ECONNRESET), "existingFlows: reevaluate")
            for user in [Self.other, 0] { #expect(try Self.reaches(user, on: node)) }
            #expect(free.exchange() == .echoed)
            #expect(node.log.contains("no such user or cgroup on this node"))
            try node.afterReload { try node.write(policy: "host.yaml", Self.endpoint("backup", "2300")) }
            #expect(try Self.reaches(Self.backup, on: node))
            #expect(try !Self.reaches(Self.other, on: node))
        }

        @Test func `processes of a cgroup are told apart, also after their unit was restarted`() throws {
            let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
            let mount = try #require(
                mounts.split(separator: "\n").map { $0.split(separator: " ") }.first { $0.count > 2 && $0[2] == "cgroup2" },
                "cgroups of version 2 are mounted")
            let name = "exeat-test-\(getpid())"
            let cgroup = "\(mount[1])/\(name)/job.service"
            let files = FileManager.default
            try files.createDirectory(atPath: cgroup, withIntermediateDirectories: true)
            defer { for path in [cgroup, "\(mount[1])/\(name)"] { unsafe rmdir(path) } }
            let endpoint = Self.endpoint("job", "").replacingOccurrences(
                of: "exeat.io/uid: \"\"", with: "exeat.io/cgroup: \(name)/job.service")
            let rules = Self.allow("job", "exeat.io/cgroup == '\(name)/job.service'", domains: "api.example.org")
            let node = try RunningNode(policies: ["host.yaml": Self.node + endpoint + rules])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            func run(in cgroup: String?, _ command: String) throws -> Bool {
                let enter = cgroup.map { "echo $$ > \($0)/cgroup.procs && " } ?? ""
                return try node.lab.node.run(["bash", "-c", enter + command], timeoutSeconds: 5).isSuccess
            }
            let connect = "timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.10/7000'"
            let resolve = "dig +time=2 +tries=1 +short @203.0.113.53 api.example.org | grep -q 192.0.2.10"
            #expect(try !run(in: cgroup, connect), "nothing resolved")
            #expect(try run(in: cgroup, resolve))
            #expect(try run(in: cgroup, connect))
            #expect(try !run(in: nil, connect), "of no class")
            let list = try node.lab.node.run(["nft", "list", "ruleset"])
            #expect(list.isSuccess && list.stdout.contains("socket cgroupv2 level 2"), "\(list.stdout)\(list.stderr)")
            // Also while the policy that is written cannot be used.
            try node.afterReload { try node.write(policy: "broken.yaml", "kind: [") }
            // What systemd does: the folder goes, and another of the same name comes.
            try Stopwatch.wait("the cgroup is empty") { unsafe rmdir(cgroup) == 0 }
            try files.createDirectory(atPath: cgroup, withIntermediateDirectories: true)
            try Stopwatch.wait("the new cgroup is known") { try run(in: cgroup, connect) }
            #expect(try !run(in: nil, connect))
        }

        @Test func `the port that names a class answers nobody else`() throws {
            let node = try RunningNode(policies: ["host.yaml": Self.node + Self.classes + Self.rules])
            defer { node.stop() }
            try node.echo("192.0.2.10")
            for port in ["10054", "10055"] {
                for option in ["+notcp", "+tcp"] {
                    let query = ["dig", option, "+time=1", "+tries=1", "-p", port, "@169.254.20.10", "api.example.org"]
                    #expect(try !node.lab.node.run(query).isSuccess, "the node's own process of no class")
                    #expect(try !node.pod("pod-a").namespace.run(query).isSuccess, "a pod")
                }
            }
            #expect(try !Self.reaches(Self.backup, on: node))
        }
    }
}
