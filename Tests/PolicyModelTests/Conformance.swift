import Datastores
import Foundation
import PolicyModel

/// The rows of `../shared/conformance`, beside the repository.
enum Conformance {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/conformance")

    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }
    static let absence = "the folder ../shared/conformance is absent"

    struct Row: CustomStringConvertible {
        let node: ConfigurationNode
        let description: String

        func text(_ key: String) -> String? {
            guard case .scalar(let text, _)? = node.first(key)?.kind else { return nil }
            return text
        }

        func bool(_ key: String) -> Bool? { text(key).map { $0 == "true" } }

        var labels: [String: String] {
            guard case .mapping(let entries)? = node.first("labels")?.kind else { return [:] }
            return Dictionary(
                uniqueKeysWithValues: entries.compactMap { entry in
                    guard case .scalar(let text, _) = entry.value.kind else { return nil }
                    return (entry.key, text)
                })
        }
    }

    struct UnreadableRow: Error { let text: String }

    /// JSON is read as YAML, which holds it.
    static func rows(_ name: String) throws -> [Row] {
        let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
        return try text.split(separator: "\n").map { line in
            var problems = DiagnosticList()
            let documents = ConfigurationDocument.nodes(yaml: String(line), file: name, &problems)
            guard let node = documents.first, problems.errorCount == 0 else { throw UnreadableRow(text: String(line)) }
            return Row(node: node, description: String(line))
        }
    }
}
