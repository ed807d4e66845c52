import Foundation

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
}
