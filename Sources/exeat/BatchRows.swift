import ArgumentParser
import Foundation
import Telemetry

/// Answers of `exeat match`, one or many.
enum BatchRows {
    enum Outcome {
        case match(Bool)
        case valid
        case failure(String)
    }

    /// Reads JSON lines from standard input and answers each with one, at once: who asks may wait for it with the next.
    static func run(_ answer: ([String: Any]) -> Outcome) {
        while let line = readLine() {
            guard !line.isEmpty else { continue }
            let row = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            Swift.print(json(row.map(answer) ?? .failure("this line is no JSON object")))
            StandardOutput.flush()
        }
    }

    /// Prints one answer for people; throws exit code 2 if the input was invalid.
    static func print(_ outcome: Outcome) throws {
        switch outcome {
        case .match(let matches): Swift.print(matches)
        case .valid: Swift.print("valid")
        case .failure(let reason):
            StandardError.print(reason)
            throw ExitCode(2)
        }
    }

    private static func json(_ outcome: Outcome) -> String {
        var line = JSONLine()
        switch outcome {
        case .match(let matches):
            line.add("valid", true)
            line.add("match", matches)
        case .valid:
            line.add("valid", true)
        case .failure(let reason):
            line.add("valid", false)
            line.add("error", reason)
        }
        return line.finished
    }
}
