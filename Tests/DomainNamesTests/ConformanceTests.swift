import DomainNames
import Foundation
import Testing

/// The rows of `../shared/conformance`, beside the repository: how other systems behave, as their documents say.
@Suite struct ConformanceTests {
    struct Row: Decodable, CustomTestStringConvertible {
        let dialect: String?
        let pattern: String?
        let domainName: String?
        let name: String?
        let match: Bool?
        let valid: Bool?
        let shouldAccept: Bool?

        enum CodingKeys: String, CodingKey {
            case dialect, pattern, domainName, name, match, valid
            case shouldAccept = "should_accept"
        }

        var testDescription: String { "\(dialect ?? "") \(pattern ?? domainName ?? "") \(name ?? "")" }

        /// Dialects of other programs that say the same as one of ours.
        var known: PatternDialect? {
            switch dialect {
            case "calico": .calico
            case "cnp", "k8s-network-policy-api": .kubernetes
            case "ovnk-egressfirewall": .ovn
            default: nil
            }
        }
    }

    static let folder = (0..<4).reduce(URL(filePath: #filePath).resolvingSymlinksInPath()) { path, _ in path.deletingLastPathComponent() }
        .appending(path: "shared/conformance")

    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }

    static func rows(_ file: String) throws -> [Row] {
        try String(contentsOf: folder.appending(path: file), encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Row.self, from: Data($0.utf8))
        }
    }

    /// Rows without a pattern hold a whole rule and belong to the policy model.
    @Test(
        .enabled(if: isPresent, "the folder ../shared/conformance is absent"),
        arguments: [("calico-domains.jsonl", 30), ("wildcard-dialects.jsonl", 15)])
    func `patterns and tries match as the dialects document`(_ file: String, _ rowsMin: Int) throws {
        var checked = 0
        for row in try Self.rows(file) {
            guard let dialect = row.known, let text = row.pattern else { continue }
            checked += 1
            if row.valid == false {
                #expect(throws: DomainPatternError.self, "\(row.testDescription)") { try DomainPattern(parsing: text, dialect: dialect) }
                continue
            }
            let pattern = try DomainPattern(parsing: text, dialect: dialect)
            guard let expected = row.match, let name = row.name else {
                #expect(row.valid == true, "\(row.testDescription)")
                continue
            }
            let domain = try DomainName(parsing: name)
            #expect(pattern.matches(domain) == expected, "\(row.testDescription)")
            var builder = DomainTrie.Builder()
            builder.insert(pattern, number: 1)
            #expect(builder.freeze().numbers(matching: domain) == (expected ? [1] : []), "\(row.testDescription)")
        }
        #expect(checked >= rowsMin)
    }

    @Test(.enabled(if: isPresent, "the folder ../shared/conformance is absent"))
    func `the domain names that Kubernetes means to accept are accepted, and no others`() throws {
        let rows = try Self.rows("kubernetes-domain-names.jsonl")
        #expect(rows.count >= 30)
        for row in rows {
            let text = try #require(row.domainName)
            let isAccepted = (try? DomainPattern(parsing: text, dialect: .kubernetes)) != nil
            #expect(isAccepted == row.shouldAccept, "\(text)")
        }
    }
}
