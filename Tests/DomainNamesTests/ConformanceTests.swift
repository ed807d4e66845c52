import DomainNames
import Foundation
import Testing

/// The rows of `../shared/conformance`, beside the repository: how other systems behave, as their documents say.
@Suite struct ConformanceTests {
    struct Row: Decodable, CustomTestStringConvertible {
        struct Selector: Decodable {
            let matchName: String?
            let matchPattern: String?
        }

        let dialect: String?
        let pattern: String?
        let patterns: [String]?
        let selector: Selector?
        let domainName: String?
        let name: String?
        /// False if no message can hold the name: it is no name, then.
        let isWireName: Bool?
        let match: Bool?
        let valid: Bool?
        let shouldAccept: Bool?

        enum CodingKeys: String, CodingKey {
            case dialect, pattern, patterns, selector, domainName, name, match, valid
            case shouldAccept = "should_accept"
            case isWireName = "wire_name"
        }

        var testDescription: String { "\(dialect ?? "") \(pattern ?? domainName ?? "") \(name ?? "")" }

        /// Dialects of other programs that say the same as one of ours.
        var known: PatternDialect? {
            switch dialect {
            case "calico": .calico
            case "calico-inline": .calicoInline
            case "cnp", "k8s-network-policy-api", "kube-network-policies": .kubernetes
            case "ovnk-egressfirewall", "gke-fqdn": .ovn
            case "cilium-sni": .cilium
            case "antrea": .antrea
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

    /// What the pattern, a trie of it and a table of it say.
    private static func answers(_ pattern: DomainPattern, _ name: DomainName) -> Set<Bool> {
        var table = DomainPatternTable()
        let id = table.insert(pattern, number: 5)
        var patterns: [UInt32] = []
        table.appendPatterns(matching: name, to: &patterns)
        return [pattern.matches(name), DomainTrie(table).numbers(matching: name) == [5], patterns == [id]]
    }

    /// Rows without a pattern hold a whole rule and belong to the policy model.
    @Test(
        .enabled(if: isPresent, "the folder ../shared/conformance is absent"),
        arguments: [("calico-domains.jsonl", 36), ("wildcard-dialects.jsonl", 45)])
    func `patterns and tries match as the dialects document`(_ file: String, _ rowsMin: Int) throws {
        var checked = 0
        for row in try Self.rows(file) {
            guard let text = row.pattern else { continue }
            let dialect = try #require(row.known, "\(row.testDescription)")
            checked += 1
            if row.valid == false {
                #expect(throws: DomainPatternError.self, "\(row.testDescription)") { try DomainPattern(parsing: text, dialect: dialect) }
                continue
            }
            // A wildcard that Inline mode does not keep matches nothing there; here it is refused.
            if dialect == .calicoInline, row.match == false {
                #expect(throws: DomainPatternError.self, "\(row.testDescription)") { try DomainPattern(parsing: text, dialect: dialect) }
                continue
            }
            let pattern = try DomainPattern(parsing: text, dialect: dialect)
            guard let expected = row.match, let name = row.name else {
                #expect(row.valid == true, "\(row.testDescription)")
                continue
            }
            #expect(Self.answers(pattern, try DomainName(parsing: name)) == [expected], "\(row.testDescription)")
        }
        #expect(checked >= rowsMin)
    }

    @Test(.enabled(if: isPresent, "the folder ../shared/conformance is absent"))
    func `matchPattern matches as Cilium's does`() throws {
        let rows = try Self.rows("cilium-matchpattern.jsonl")
        #expect(rows.count >= 50)
        for row in rows {
            let pattern = try DomainPattern(parsing: try #require(row.pattern), dialect: .cilium)
            let text = try #require(row.name)
            if row.isWireName == false {
                // No answer can bear such a name, so it is refused before any pattern sees it.
                #expect(throws: DomainNameError.self, "\(row.testDescription)") { try DomainName(parsing: text) }
                #expect(row.match == false)
                continue
            }
            #expect(Self.answers(pattern, try DomainName(parsing: text)) == [try #require(row.match as Bool?)], "\(row.testDescription)")
        }
    }

    @Test(.enabled(if: isPresent, "the folder ../shared/conformance is absent"))
    func `a set of matchPatterns matches what one of them does`() throws {
        let rows = try Self.rows("cilium-patternset.jsonl")
        #expect(rows.count >= 25)
        for row in rows {
            let texts = try #require(row.patterns)
            let patterns = try texts.map { try DomainPattern(parsing: $0, dialect: .cilium) }
            let name = try DomainName(parsing: try #require(row.name))
            var table = DomainPatternTable()
            for pattern in patterns { table.insert(pattern, number: 9) }
            var ids: [UInt32] = []
            table.appendPatterns(matching: name, to: &ids)
            // A selector without rules allows every name: there is no set to ask, then.
            let expected = try #require(row.match as Bool?) && !patterns.isEmpty
            #expect(!ids.isEmpty == expected, "\(texts) \(name)")
            #expect(patterns.contains { $0.matches(name) } == expected)
            #expect(DomainTrie(table).numbers(matching: name) == (expected ? [9] : []))
        }
    }

    /// A selector has one of the two; that both are refused is the policy model's.
    @Test(.enabled(if: isPresent, "the folder ../shared/conformance is absent"))
    func `matchName and matchPattern are accepted and refused as in Cilium`() throws {
        let rows = try Self.rows("cilium-selector-validation.jsonl")
        var checked = 0
        for row in rows {
            let selector = try #require(row.selector)
            guard selector.matchName == nil || selector.matchPattern == nil else {
                #expect(row.valid == false)
                continue
            }
            checked += 1
            if let text = selector.matchName {
                #expect(((try? DomainPattern(parsing: text, dialect: .ciliumName)) != nil) == row.valid, "\(text)")
            }
            if let text = selector.matchPattern {
                #expect(((try? DomainPattern(parsing: text, dialect: .cilium)) != nil) == row.valid, "\(text)")
            }
        }
        #expect(checked >= 25)
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
