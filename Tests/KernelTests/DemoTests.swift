import DemoNetwork
import Foundation
import Testing

extension KernelSuites {
    @Suite struct DemoTests {
        @Test func `exeat demo --once ends well and leaves nothing`() throws {
            let demo = try Self.start("--once", output: FileHandle.nullDevice)
            try Stopwatch.wait("the demo's end", seconds: 60) { !demo.isRunning }
            #expect(demo.terminationStatus == 0)
            #expect(try Self.leftovers(of: demo) == [])
        }

        /// As soon as the first namespace is there, and when the daemon runs.
        @Test(arguments: [false, true])
        func `a demo that is killed leaves nothing within three seconds`(whileEnforcing: Bool) throws {
            let demo = try Self.start(output: FileHandle.nullDevice)
            defer { kill(demo.processIdentifier, SIGKILL) }
            try Stopwatch.wait("the demo is under way", seconds: 30) {
                guard demo.isRunning else { throw Problem("the demo ended with \(demo.terminationStatus)") }
                return try Self.leftovers(of: demo).contains { whileEnforcing ? $0.contains("holder") : $0.hasPrefix("exeat-") }
            }
            kill(demo.processIdentifier, SIGKILL)
            let seconds = try Stopwatch.wait("everything is gone", seconds: 3) { try Self.leftovers(of: demo).isEmpty }
            print("killed demo: all gone after \(seconds) s")
        }

        private static func start(_ arguments: String..., output: Any) throws -> Process {
            try Program.require()
            let demo = Process()
            demo.executableURL = URL(fileURLWithPath: Program.path)
            demo.arguments = ["demo"] + arguments
            demo.currentDirectoryURL = URL(fileURLWithPath: Program.path).deletingLastPathComponent()
            demo.standardInput = FileHandle.nullDevice
            demo.standardOutput = output
            try demo.run()
            return demo
        }

        /// Namespaces, files and processes of that demo's lab.
        private static func leftovers(of demo: Process) throws -> [String] {
            let mark = "exeat-\(demo.processIdentifier)-"
            var found = LabJanitor.prefixes().filter { $0.hasPrefix(mark) }
            for process in try FileManager.default.contentsOfDirectory(atPath: "/proc") where process.allSatisfy(\.isNumber) {
                guard let data = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { continue }
                let command = String(decoding: data, as: UTF8.self)
                if command.contains(mark) { found.append("process \(process) \(command)") }
            }
            return found
        }
    }
}
