import DemoNetwork
import Foundation
import Testing

extension KernelSuites {
    /// Who asks the daemon, and how many at a time.
    @Suite struct ControlSocketTests {
        private static let denied = "203.0.113.66"

        @Test func `followers see each line at once, and leave a place for status and down`() throws {
            let node = try RunningNode(policies: ["rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            let outputs = (1...16).map { node.lab.directory + "/follower-\($0)" }
            let followers = try outputs.map { try Self.follow(node, output: $0) }
            #expect(try node.isRefused("pod-a", Self.denied))
            try Stopwatch.wait("every follower has the line, in a file", seconds: 10) {
                outputs.allSatisfy { (try? String(contentsOfFile: $0, encoding: .utf8))?.contains(Self.denied) == true }
            }
            let further = try node.exeat("flows", "--follow")
            #expect(further.status == 1)
            #expect(further.stderr.contains("16 others follow the flows"))
            #expect(try node.exeat("flows", "--recent").isSuccess)
            #expect(try node.status()["ready"] as? Bool == true)

            // The place of one that goes is free.
            followers[0].kill(SIGKILL)
            followers[0].wait()
            let output = node.lab.directory + "/follower-next"
            try Stopwatch.wait("the next one follows", seconds: 10) {
                _ = try Self.follow(node, output: output)
                Thread.sleep(forTimeInterval: 0.5)
                return (try? String(contentsOfFile: output, encoding: .utf8))?.contains(Self.denied) == true
            }
            #expect(try node.exeat("down").isSuccess)
            #expect(followers[1].wait() == 1, "a daemon that ends is no end of the answer")
        }

        @Test func `of holders that start at once one lives`() throws {
            let node = try RunningNode(policies: [:], starts: false)
            defer { node.stop() }
            for round in 1...10 {
                let directory = node.lab.directory + "/holder-\(round)"
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
                let holders = try (1...8).map { _ in
                    try node.lab.node.spawn([Program.path, "holder", "--runtime-directory", directory])
                }
                defer { for holder in holders { holder.kill() } }
                try Stopwatch.wait("all but one are told of it") { holders.count { $0.poll() == 1 } == holders.count - 1 }
                _ = try HolderConnection(runtimeDirectory: directory)
            }
        }

        @Test func `the holder takes no processor while it has no descriptor for whoever asks`() throws {
            let node = try RunningNode(policies: [:])
            defer { node.stop() }
            let holder = try node.holder()
            func rests() throws -> Int {
                let tasks = "/proc/\(holder)/task"
                return try FileManager.default.contentsOfDirectory(atPath: tasks).reduce(0) { sum, task in
                    let status = try String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8)
                    let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
                    return sum + (line?.split(separator: "\t").last.flatMap { Int($0) } ?? 0)
                }
            }
            #expect(try node.lab.node.run(["prlimit", "--pid", "\(holder)", "--nofile=4:"]).isSuccess)
            do {
                let waiting = try HolderConnection(runtimeDirectory: node.runtimeDirectory)
                let before = try rests()
                try Stopwatch.wait("it sleeps again and again") { try rests() > before + 5 }
                _ = consume waiting
            }
            #expect(try node.lab.node.run(["prlimit", "--pid", "\(holder)", "--nofile=1024:"]).isSuccess)
            _ = try HeldSocket("table", runtimeDirectory: node.runtimeDirectory)
        }

        @Test func `members of the group of the socket are answered, by whichever of their groups, and others told why not`() throws {
            let node = try RunningNode(policies: [:])
            defer { node.stop() }
            let group = 65_533
            _ = try node.lab.node.run(["chmod", "-R", "a+rX", node.lab.directory])
            for path in [node.runtimeDirectory, node.runtimeDirectory + "/control.sock"] {
                _ = try node.lab.node.run(["chgrp", "\(group)", path])
            }
            func ask(_ groups: String...) throws -> CommandResult {
                try node.lab.node.run(
                    ["setpriv", "--reuid=65534"] + groups
                        + [Program.path, "status", "--json", "--runtime-directory", node.runtimeDirectory])
            }
            #expect(try ask("--regid=\(group)", "--clear-groups").isSuccess)
            #expect(try ask("--regid=65534", "--groups=7,\(group)").isSuccess)
            let stranger = try ask("--regid=65534", "--clear-groups")
            #expect(stranger.status == 1)
            #expect(stranger.stderr.contains("ask as root or as a member of its group"), "\(stranger.stderr)")
            _ = try node.lab.node.run(["chmod", "a+rw", node.runtimeDirectory + "/control.sock"])
            #expect(try ask("--regid=65534", "--groups=7").stderr.contains("not allowed"))
        }

        @Test func `status tells of a holder that has gone`() throws {
            let node = try RunningNode(policies: [:])
            defer { node.stop() }
            #expect(try node.status()["holder_up"] as? Bool == true)
            kill(try node.holder(), SIGKILL)
            try Stopwatch.wait("it is told") { try node.status()["holder_up"] as? Bool == false }
            #expect(try node.exeat("status").stdout.contains("holder_up: false\n"))
        }

        @Test func `a policy cannot write lines of the log`() throws {
            let node = try RunningNode(
                policies: ["bad.yaml": PolicyText.denyRest + "  \"a\\nfalse line: policy in force\\e[2J\": 1\n"], starts: false)
            defer { node.stop() }
            #expect(try node.startInVain() == 1)
            #expect(node.log.contains(#"a\u{a}false line"#), "\(node.log)")
            #expect(!node.log.split(separator: "\n").contains { $0.hasPrefix("false line") })
            #expect(!node.log.contains("\u{1b}"))
        }

        private static func follow(_ node: RunningNode, output: String) throws -> ChildProcess {
            try node.lab.node.spawn(
                [Program.path, "flows", "--follow", "--runtime-directory", node.runtimeDirectory], output: output)
        }
    }
}
