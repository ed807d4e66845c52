import Datastores
import PolicyModel
import Testing

struct ConfigurationDocumentTests {
    private func read(_ yaml: String) -> (nodes: [ConfigurationNode], problems: [String]) {
        var problems = DiagnosticList()
        let nodes = ConfigurationDocument.nodes(yaml: yaml, file: "t.yaml", &problems)
        return (nodes, problems.diagnostics.map(\.description))
    }

    @Test func `every value knows its place`() throws {
        let (nodes, problems) = read("# comment\na: 1\nb:\n  - 'x'\n  - é: ~\n    f: \"q\"\n---\n- second\n")
        #expect(problems == [])
        #expect(nodes.count == 2)
        guard case .mapping(let entries) = nodes[0].kind, entries.count == 2 else {
            Issue.record("no mapping of two")
            return
        }
        #expect(entries[0].key == "a")
        #expect(entries[0].keyLocation == SourceLocation(file: "t.yaml", line: 2, column: 1))
        #expect(entries[0].value.kind == .scalar("1", isQuoted: false))
        #expect(entries[0].value.location == SourceLocation(file: "t.yaml", line: 2, column: 4))
        guard case .sequence(let elements) = entries[1].value.kind, case .mapping(let inner) = elements[1].kind else {
            Issue.record("no list with a mapping")
            return
        }
        #expect(elements[0].kind == .scalar("x", isQuoted: true))
        #expect(inner[0].value.kind == .null)
        #expect(inner[1].value.location == SourceLocation(file: "t.yaml", line: 6, column: 8))
    }

    @Test(arguments: ["", "# nothing\n", "---\n", "---\n---\n"])
    func `empty documents have no content`(yaml: String) {
        let (nodes, problems) = read(yaml)
        #expect(problems == [])
        #expect(nodes.allSatisfy { $0.kind == .null })
    }

    @Test func `aliases stand for what their anchor holds`() throws {
        let (nodes, problems) = read("a: &ports [80, 443]\nb: *ports\n")
        #expect(problems == [])
        #expect(nodes[0].first("a")?.kind == nodes[0].first("b")?.kind)
    }

    @Test func `a byte order mark and Windows line ends are read`() {
        let (nodes, problems) = read("\u{FEFF}a: b\r\nc: d\r\n")
        #expect(problems == [])
        #expect(nodes.first?.first("c")?.location == SourceLocation(file: "t.yaml", line: 2, column: 4))
    }

    @Test(arguments: [
        (
            "a: [1, 2",
            "t.yaml:2:1: error: a[2]: did not find expected ',' or ']', while parsing a flow sequence that begins at line 1 "
                + "(look for a comma, bracket or brace that is missing)"
        ),
        ("a: *b", "t.yaml:1:4: error: a: the alias *b has no anchor before it (a pattern that begins with * must be quoted: \"*b\")"),
        (
            "a: &x {b: *x}",
            "t.yaml:1:11: error: a.b: the alias *x has no anchor before it "
                + "(a pattern that begins with * must be quoted: \"*x\")"
        ),
        ("? [a]\n: b", "t.yaml:1:3: error: a key must be a text (quote it)"),
        ("{a: 1}: b", "t.yaml:1:1: error: a key must be a text (quote it)"),
        ("x: &x {a: 1}\ny: {<<: *x}", "t.yaml:2:5: error: y: merge keys (<<) are not supported (write the fields out)"),
        ("a: !!int 5", "t.yaml:1:4: error: a: the tag tag:yaml.org,2002:int is not supported (leave it out)"),
        ("a: !local {}", "t.yaml:1:4: error: a: the tag !local is not supported (leave it out)"),
        ("a: b\u{1}", "t.yaml:1:5: error: control characters are not allowed (the file must be UTF-8 text)"),
        ("a: b\nc: \u{0}d", "t.yaml:2:4: error: control characters are not allowed (the file must be UTF-8 text)"),
        (
            "\ta: b",
            "t.yaml:1:1: error: found character that cannot start any token, while scanning for the next token that begins at line 1 "
                + "(indent by spaces, not tabs; quote a text that begins with %, @ or `)"
        ),
    ])
    func `what is not read is refused with its place`(yaml: String, expected: String) {
        #expect(read(yaml).problems == [expected])
    }

    @Test func `depth, size and expansion are bounded, and quickly so`() {
        let clock = ContinuousClock()
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        let keyBomb = bomb.replacing("a30: ", with: "? ")
        let rows: [(name: String, yaml: String)] = [
            ("bomb", bomb), ("bomb in a key", keyBomb),
            ("flow depth", String(repeating: "[", count: 1_000_000)),
            ("mapping depth", String(repeating: "{a: ", count: 1_000_000)),
            ("block depth", String(repeating: "- ", count: 1_000_000)),
            ("key depth", String(repeating: "? ", count: 1_000_000)),
            ("many values", "[" + String(repeating: "a,", count: 600_000) + "]"),
            ("size", String(repeating: "# comment\n", count: 1_000_000)),
        ]
        for row in rows {
            let duration = clock.measure {
                #expect(read(row.yaml).problems.count == 1, "\(row.name)")
            }
            #expect(duration < .seconds(20), "\(row.name) took \(duration)")
        }
    }

    @Test func `a long list of networks is within the limits`() {
        let yaml = "nets:\n" + (0..<200_000).map { "- 198.51.100.\($0 % 256)\n" }.joined()
        #expect(read(yaml).problems == [])
    }
}
