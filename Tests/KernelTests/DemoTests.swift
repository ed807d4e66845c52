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

        @Test func `a demo that is killed leaves nothing within three seconds`() throws {
            let output = Pipe()
            let demo = try Self.start(output: output)
            // It runs until it is ended; the table of results is complete when the farewell names the metrics.
            var text = ""
            try Stopwatch.wait("the demo's farewell", seconds: 60) {
                text += String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
                return text.contains("/metrics") || !demo.isRunning
            }
            try #require(demo.isRunning, "the demo ended: \(text)")
            #expect(try !Self.leftovers(of: demo).isEmpty)
            kill(demo.processIdentifier, SIGKILL)
            let seconds = try Stopwatch.wait("everything is gone", seconds: 3) { try Self.leftovers(of: demo).isEmpty }
            print("killed demo: all gone after \(seconds) s")
        }

        private static func start(_ arguments: String..., output: Any) throws -> Process {
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
