import ArgumentParser
import Foundation

/// What every measurement is told.
struct BenchOptions: ParsableArguments {
    @Flag(help: "Shorter runs, as many pairs: less than two minutes in all, wider intervals.")
    var quick = false

    @Option(help: "The exeat program (environment: EXEAT_BINARY; else beside this program).")
    var binary: String?

    @Option(help: "The folder of the compiled C anchors (environment: EXEAT_ANCHORS; else .build/anchors).")
    var anchors: String?

    /// Pairs of each comparison.
    static let pairs = 20

    func program() throws -> String {
        try Self.existing(
            binary ?? ProcessInfo.processInfo.environment["EXEAT_BINARY"]
                ?? Self.ownPath().deletingLastPathComponent().appendingPathComponent("exeat").path,
            hint: "build it: swift build -c release --product exeat")
    }

    func anchor(_ name: String) throws -> String {
        let folder = anchors ?? ProcessInfo.processInfo.environment["EXEAT_ANCHORS"] ?? ".build/anchors"
        return try Self.existing("\(folder)/\(name)", hint: "compile it: bench/anchors.sh")
    }

    static func ownPath() throws -> URL {
        URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    }

    private static func existing(_ path: String, hint: String) throws -> String {
        let path = URL(fileURLWithPath: path).path
        guard FileManager.default.isExecutableFile(atPath: path) else { throw BenchError("no program \(path); \(hint)") }
        return path
    }
}
