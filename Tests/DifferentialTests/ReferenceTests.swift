import DomainNames
import EnforcementTesting
import Foundation
import PolicyModel
import Testing

/// The reference itself against facts that others wrote down: it must not be wrong in the same way as the engine.
@Suite struct ReferenceTests {
    struct Row: Decodable {
        let selector: String?
        let labels: [String: String]?
        let dialect: String?
        let pattern: String?
        let name: String?
        let match: Bool?
        let valid: Bool?
    }

    static let folder = (0..<4).reduce(URL(filePath: #filePath).resolvingSymlinksInPath()) { path, _ in path.deletingLastPathComponent() }
        .appending(path: "shared/conformance")
    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }

    static func rows(_ file: String) throws -> [Row] {
        try String(contentsOf: folder.appending(path: file), encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Row.self, from: Data($0.utf8))
        }
    }

    @Test(.enabled(if: isPresent, "the folder ../shared/conformance is absent"))
    func `trees of selectors match as Calico documents`() throws {
        var checked = 0
        for row in try Self.rows("calico-selectors.jsonl") {
            guard let text = row.selector, let labels = row.labels, let match = row.match, let tree = ReferenceSelector(reading: text)
            else {
                continue
            }
            checked += 1
            #expect(tree.matches(labels) == match, "\(text) on \(labels)")
        }
        #expect(checked >= 60)
    }

    @Test(
        .enabled(if: isPresent, "the folder ../shared/conformance is absent"),
        arguments: [("calico-domains.jsonl", 25), ("wildcard-dialects.jsonl", 20), ("cilium-matchpattern.jsonl", 40)])
    func `texts of patterns match as their dialects document`(_ file: String, _ rowsMin: Int) throws {
        let dialects: [String: PatternDialect] = [
            "calico": .calico, "cnp": .kubernetes, "k8s-network-policy-api": .kubernetes, "ovnk-egressfirewall": .ovn, "cilium": .cilium,
            "antrea": .antrea,
        ]
        var checked = 0
        for row in try Self.rows(file) {
            guard let dialect = dialects[row.dialect ?? "cilium"], row.valid != false, let text = row.pattern, let match = row.match,
                let name = row.name.flatMap({ try? DomainName(parsing: $0) })
            else { continue }
            checked += 1
            #expect(ReferencePattern(text, dialect).matches(name) == match, "\(text) on \(name) as \(dialect)")
        }
        #expect(checked >= rowsMin)
    }

    @Test func `a tree that was written as text and read again is the same`() {
        var random = SeededGenerator(seed: 7)
        let leaves: [ReferenceSelector] = [
            .all, .global, .has("a"), .equal("a", "x"), .notEqual("a", "it's"), .contains("b", "y"), .startsWith("a", "x"),
            .endsWith("b", ""),
            .isIn("a", ["x", "y"]), .isNotIn("b", ["x"]), .isIn("a", []),
        ]
        let labels: [[String: String]] = [[:], ["a": "x"], ["a": "it's", "b": "xy"], ["b": "y"], ["a": "y", "b": ""]]
        for _ in 0..<2_000 {
            let tree = ReferenceSelector.or([
                .and([random.pick(leaves), .not(.or([random.pick(leaves), random.pick(leaves)]))]), .not(random.pick(leaves)),
                .and([random.pick(leaves), random.pick(leaves)]),
            ])
            let text = tree.text(&random)
            guard let again = ReferenceSelector(reading: text) else {
                Issue.record("not readable: \(text)")
                continue
            }
            for sample in labels { #expect(again.matches(sample) == tree.matches(sample), "\(text) on \(sample)") }
        }
    }
}
