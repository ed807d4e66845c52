import Foundation

/// The files that these tests read: this repository, found from where this file was compiled.
enum Repository {
    static let root = (0..<3).reduce(URL(filePath: #filePath).resolvingSymlinksInPath()) { path, _ in path.deletingLastPathComponent() }

    struct File: Sendable {
        /// From the root, such as `Sources/Daemon/ExeatDaemon.swift`.
        let path: String
        let text: String
    }

    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    static func text(_ path: String) throws -> String {
        guard let text = textIfPresent(path) else { throw Missing(description: "\(path) is missing") }
        return text
    }

    /// Nil for a symbolic link that leads nowhere, too.
    private static func textIfPresent(_ path: String) -> String? {
        FileManager.default.contents(atPath: root.appending(path: path).path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Every file at or below `path`, sorted; names that begin with a dot are left out.
    static func files(below path: String, suffix: String = "") throws -> [File] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: path).path) else {
            return [File(path: path, text: try text(path))]
        }
        var files: [File] = []
        for name in names.sorted() where !name.hasPrefix(".") {
            let inner = "\(path)/\(name)"
            if (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: inner).path)) != nil {
                files += try Self.files(below: inner, suffix: suffix)
            } else if inner.hasSuffix(suffix), let text = textIfPresent(inner) {
                files.append(File(path: inner, text: text))
            }
        }
        return files
    }
}
