import ArgumentParser
import Daemon
import DemoNetwork
import Foundation

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The whole path on this machine, in network namespaces of its own.",
        discussion:
            "Makes an internet with a DNS server and web servers, a node and pods; runs the daemon with the shipped configuration; tries what is allowed and what is not."
    )

    @Flag(help: "End after the table; exit 0 only if every row came out as expected.")
    var once = false

    @Option(help: "The folder with exeat.yaml and policies.")
    var config: String?

    mutating func run() async throws {
        let configuration = try Self.find(config)
        var session: DemoSession?
        do {
            let started = try DemoSession(configurationFolder: configuration)
            session = started
            try started.start()
            let good = started.runAll()
            if once {
                started.stop()
                if !good { throw ExitCode(1) }
                return
            }
            print(started.farewell)
            fflush(nil)
            await Self.interruption()
            started.stop()
        } catch let error as ExitCode {
            throw error
        } catch {
            session?.stop()
            StandardError.print("demo: \(error)")
            throw ExitCode(1)
        }
    }

    /// The shipped configuration: given, in this folder, beside the program's package, or installed.
    private static func find(_ given: String?) throws -> String {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        var folder = URL(fileURLWithPath: program).deletingLastPathComponent()
        var candidates = given.map { [$0] } ?? ["config"]
        if given == nil {
            for _ in 0..<4 {
                candidates.append(folder.appendingPathComponent("config").path)
                folder.deleteLastPathComponent()
            }
            candidates.append("/etc/exeat")
        }
        if let found = candidates.first(where: { FileManager.default.fileExists(atPath: $0 + "/exeat.yaml") }) { return found }
        throw ValidationError("no exeat.yaml in \(candidates.joined(separator: ", ")): name its folder with --config")
    }

    private static func interruption() async {
        let (signals, sender) = AsyncStream.makeStream(of: Int32.self)
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { sender.yield(number) }
            source.resume()
            return source
        }
        for await _ in signals { break }
        for source in sources { source.cancel() }
    }
}
