import Foundation
import Testing

/// The program under test.
enum Program {
    /// `EXEAT_BINARY`, else what `swift build -c release` made in this repository.
    static let path: String = {
        if let given = ProcessInfo.processInfo.environment["EXEAT_BINARY"], !given.isEmpty {
            return URL(fileURLWithPath: given).standardizedFileURL.path
        }
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        return folder.appendingPathComponent(".build/release/exeat").path
    }()

    /// Ends the test with clear words where it cannot run.
    static func require() throws {
        try #require(geteuid() == 0, "kernel tests make network namespaces: run them as root")
        try #require(
            FileManager.default.isExecutableFile(atPath: path),
            "no program at \(path): swift build -c release --product exeat, or set EXEAT_BINARY")
    }
}
