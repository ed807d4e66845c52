import Foundation

/// The program under test, run as a user would: `EXEAT_BINARY`, else the release build of this repository.
enum Program {
    static let repository = (0..<3).reduce(URL(filePath: #filePath).resolvingSymlinksInPath()) { path, _ in
        path.deletingLastPathComponent()
    }
    static let path = ProcessInfo.processInfo.environment["EXEAT_BINARY"] ?? repository.appending(path: ".build/release/exeat").path

    struct Result: Sendable {
        let status: Int32
        let output: String
        let errors: String

        var lines: [String] { output.split(separator: "\n").map(String.init) }

        /// Each line of the output as a JSON object.
        func objects() throws -> [[String: Any]] { try lines.map(Program.object) }
    }

    struct Failure: Error, CustomStringConvertible { let description: String }

    static func object(_ line: String) throws -> [String: Any] {
        guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
            throw Failure(description: "no JSON object: \(line)")
        }
        return object
    }

    /// Runs it to its end, with `input` on its standard input. Files instead of pipes: nobody who inherits one keeps us waiting.
    /// What goes to another `output` than that is not in the result.
    static func run(_ arguments: [String], input: String = "", output place: String? = nil, timeoutSeconds: Double = 30) throws -> Result {
        let folder = try TemporaryFolder()
        let inputPath = try folder.write(input, to: "input")
        let outputPath = try folder.write("", to: "output")
        let errorsPath = try folder.write("", to: "errors")
        let process = Process()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        let (input, output, errors) = (
            FileHandle(forReadingAtPath: inputPath), FileHandle(forWritingAtPath: place ?? outputPath),
            FileHandle(forWritingAtPath: errorsPath)
        )
        // `Process` keeps them; with many open, it reads beyond its list of /proc/self/fd.
        defer { for handle in [input, output, errors] { try? handle?.close() } }
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        do { try process.run() } catch { throw Failure(description: "\(path) cannot be run (build it, or set EXEAT_BINARY): \(error)") }
        let deadline = Date(timeIntervalSinceNow: timeoutSeconds)
        while process.isRunning {
            guard Date() < deadline else {
                process.terminate()
                throw Failure(description: "exeat \(arguments.joined(separator: " ")) did not end in \(timeoutSeconds) s")
            }
            usleep(1_000)
        }
        return Result(
            status: process.terminationStatus, output: try String(contentsOfFile: outputPath, encoding: .utf8),
            errors: try String(contentsOfFile: errorsPath, encoding: .utf8))
    }

    static func run(_ arguments: String..., input: String = "") throws -> Result { try run(arguments, input: input) }
}
