import Foundation
import Testing

extension CommandLineTests {
    @Suite(.serialized) struct CommandTests {
        @Test func `the help lists every command with a line about it`() throws {
            let result = try Program.run("--help")
            #expect(result.status == 0)
            let commands = [
                "run", "down", "demo", "check", "explain", "test", "diff", "match", "status", "endpoints", "bindings", "flows", "doctor",
                "version",
            ]
            for command in commands {
                let line = result.lines.first { $0.hasPrefix("  \(command) ") }
                #expect((line?.trimmingCharacters(in: .whitespaces).count ?? 0) > command.count + 5, "\(command)")
                #expect(try Program.run(command, "--help").status == 0, "\(command)")
            }
            #expect(!result.output.contains("holder "), "the holder is the daemon's own")
            #expect(try Program.run("nonsense").status != 0)
        }

        @Test func `the version is one line of numbers`() throws {
            let result = try Program.run("version")
            #expect(result.status == 0)
            #expect(result.output.wholeMatch(of: /\d+\.\d+\.\d+\S*\n/) != nil)
            #expect(try Program.run("--version").output == result.output)
        }

        @Test func `the doctor names every feature and what is used for those that are missing`() throws {
            let result = try Program.run("doctor")
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            let features = result.lines.filter { $0.hasPrefix("yes  ") || $0.hasPrefix("no   ") }
            #expect(features.count >= 8)
            #expect(features.allSatisfy { $0.hasPrefix("yes") || $0.contains("; instead: ") })
            #expect(result.output.contains("\nqueue: ") && result.output.contains("table ownership: "))
            #expect(result.lines.last == "policy can be enforced on this kernel")
        }

        @Test func `the doctor can pretend that a feature is missing`() throws {
            let compat = try Program.run("doctor", "--pretend", "nft queue=no")
            #expect(compat.status == 0)
            #expect(compat.lines.contains("no   nft queue; instead: the xt target NFQUEUE"))
            #expect(compat.output.contains("\nqueue: compat,"))

            let open = try Program.run("doctor", "--pretend", "table owner and persist=no")
            #expect(open.status == 0)
            #expect(open.lines.contains { $0.hasPrefix("no   table owner and persist; instead: ") })

            let neither = try Program.run("doctor", "--pretend", "nft queue=no", "--pretend", "xt NFQUEUE through nft_compat=no")
            #expect(neither.status == 1)
            #expect(neither.output.contains("\nqueue: none,"))
            #expect(neither.lines.last == "policy cannot be enforced on this kernel")

            for text in ["flux capacitor=no", "nft queue=yes", "nft queue"] {
                let result = try Program.run("doctor", "--pretend", text)
                #expect(result.status != 0)
                #expect(result.errors.contains("nft queue=no"), "the names are listed")
            }
        }

        @Test(arguments: ["status", "endpoints", "bindings", "flows", "flows --follow", "status --json"])
        func `without a daemon a command says so, says what to do, and exits with 1`(_ command: String) throws {
            let folder = try TemporaryFolder()
            let result = try Program.run(command.split(separator: " ").map(String.init) + ["--runtime-directory", folder.path])
            #expect(result.status == 1)
            #expect(result.output.isEmpty)
            #expect(result.errors.contains("no daemon answers at \(folder.path)/control.sock"))
            #expect(result.errors.contains("exeat run"))
        }
    }
}
