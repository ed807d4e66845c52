import Foundation

/// The rows of `../shared/conformance`, beside the repository.
enum Conformance {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/conformance")

    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }
    static let absence = "the folder ../shared/conformance is absent"
}
