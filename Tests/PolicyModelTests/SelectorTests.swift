import PolicyModel
import Testing

struct SelectorTests {
    @Test(arguments: [
        ("app == \"shop\"", ["app": "shop"], true),
        ("app == 'shop'", ["app": "batch"], false),
        ("app != 'shop'", [:], true),
        ("app in {'a', 'b'}", ["app": "b"], true),
        ("app not in {'a', 'b'}", [:], true),
        ("app notin {'a'}", ["app": "a"], false),
        ("app in {}", ["app": "a"], false),
        ("app in {'a',}", ["app": "a"], true),
        ("has(app) && !has(role)", ["app": "x"], true),
        ("a == '1' || b == '1' && c == '1'", ["a": "1"], true),
        ("(a == '1' || b == '1') && c == '1'", ["a": "1"], false),
        ("!a == '1'", ["a": "2"], true),
        ("a starts with 'x' && a ends with 'z' && a contains 'y'", ["a": "xyz"], true),
        ("a startswith 'x'", ["a": "yx"], false),
        ("not == 'x'", ["not": "x"], true),
        ("in in {'in'}", ["in": "in"], true),
        ("all == 'x'", ["all": "x"], true),
        ("a == ''", ["a": ""], true),
        ("a == ''", [:], false),
        ("all()", [:], true),
        ("", ["a": "b"], true),
        // The Kelvin sign is canonically equivalent to K, and yet another text.
        ("a == '\u{212A}'", ["a": "K"], false),
    ])
    func `a selector matches labels`(text: String, labels: [String: String], expected: Bool) throws {
        #expect(try Selector(parsing: text).matches(labels) == expected)
    }

    @Test(arguments: [
        ("app = 'x'", 4, "a single = is no operator, write =="),
        ("app == x", 7, "expected a text in quotes, found \"x\""),
        ("app", 3, "the selector ends where ==, !=, in, not in, contains, starts with or ends with after the label \"app\" should stand"),
        ("a == 'b' & has(c)", 9, "a single & is no operator, write &&"),
        ("a == 'b", 5, "the text has no closing quote"),
        ("(a == 'b'", 9, "the selector ends where ) should stand"),
        ("a in 'b'", 5, "expected {, found \"'b'\""),
        ("a in {'b' 'c'}", 10, "expected , or }, found \"'c'}\""),
        ("has()", 4, "expected a label name, found \")\""),
        ("has(a) has(b)", 7, "expected &&, || or the end, found \"has(b)\""),
        ("a == 'b' &&", 11, "the selector ends where a label name, has(), all() or ( should stand"),
        ("a == 'b'\n&& has(c)", 8, "expected &&, || or the end, found \"\n&& has(c)\""),
    ])
    func `a selector that cannot be parsed says where and why`(text: String, offset: Int, reason: String) {
        #expect(throws: SelectorError(offset: offset, reason: reason)) { try Selector(parsing: text) }
    }

    @Test func `nesting and length are bounded`() throws {
        let deepest = String(repeating: "(", count: 63) + "all()" + String(repeating: ")", count: 63)
        #expect(throws: Never.self) { try Selector(parsing: deepest) }
        #expect(throws: SelectorError.self) { try Selector(parsing: "(\(deepest))") }
        #expect(throws: SelectorError.self) { try Selector(parsing: String(repeating: "(", count: 60_000)) }
        #expect(throws: SelectorError.self) { try Selector(parsing: String(repeating: " ", count: 70_000)) }
        #expect(try Selector(parsing: String(repeating: "!", count: 60_000) + "all()") == .all)
        #expect(throws: SelectorError.self) { try Selector(parsing: String(repeating: "a", count: 513) + " == 'x'") }
    }

    @Test(arguments: [
        ("a=='1'&&b!='2'", "(a == \"1\" && b != \"2\")"),
        ("a in {'z','a','z'}", "a in {\"a\", \"z\"}"),
        ("!!has(a)", "has(a)"),
        ("a == '\"'", "a == '\"'"),
        ("", "all()"),
    ])
    func `the canonical form parses to itself`(text: String, canonical: String) throws {
        let selector = try Selector(parsing: text)
        #expect(selector.description == canonical)
        #expect(try Selector(parsing: canonical).description == canonical)
    }

    @Test(.enabled(if: Conformance.isPresent, Comment(rawValue: Conformance.absence)))
    func `selectors behave as the conformance rows say`() throws {
        let rows = try Conformance.rows("calico-selectors.jsonl")
        #expect(rows.count > 140)
        for row in rows {
            let text = try #require(row.text("selector"))
            let selector = try? Selector(parsing: text)
            if row.bool("valid") == false {
                #expect(selector == nil, "\(row)")
                continue
            }
            let parsed = try #require(selector, "\(row)")
            if let match = row.bool("match") { #expect(parsed.matches(row.labels) == match, "\(row)") }
            if let canonical = row.text("canonical") { #expect(parsed.description == canonical, "\(row)") }
            if let prefix = row.text("labelPrefix"), let canonical = row.text("canonicalWithPrefix") {
                #expect(parsed.prefixingLabels(prefix).description == canonical, "\(row)")
            }
        }
    }

    @Test(.enabled(if: Conformance.isPresent, Comment(rawValue: Conformance.absence)))
    func `the parts of an effective selector combine as the conformance rows say`() throws {
        let rows = try Conformance.rows("calico-effective-selectors.jsonl")
        #expect(rows.count > 20)
        for row in rows {
            let expected = try #require(row.text("effectiveSelector"))
            let actual: Selector?
            if let rule = row.node.first("entityRule") {
                let namespace = try #require(row.text("policyNamespace"))
                let loaded = Self.load(rule, namespace: namespace.isEmpty ? nil : namespace)
                #expect(!loaded.diagnostics.containsError, "\(row)\n\(loaded.diagnostics)")
                let policy = try #require(loaded.resources.policies.first)
                actual = try #require(policy.egress.first).destination.effectiveSelector(policyNamespace: policy.namespace)
            } else {
                let spec = try #require(row.node.first("spec"))
                let loaded = Self.load(kind: "GlobalNetworkPolicy", namespace: nil, spec: spec)
                if row.text("note") != nil {
                    // Calico drops what it cannot parse, which widens the policy.
                    #expect(loaded.diagnostics.contains { $0.message.hasPrefix("bad selector") }, "\(row)")
                    #expect(loaded.resources.policies.isEmpty)
                    continue
                }
                actual = try #require(loaded.resources.policies.first, "\(row)\n\(loaded.diagnostics)").effectiveSelector
            }
            #expect(actual?.description ?? "" == (expected.isEmpty ? "" : try Selector(parsing: expected).description), "\(row)")
        }
    }

    /// A policy with one egress rule that has this destination.
    private static func load(_ destination: ConfigurationNode, namespace: String?) -> (
        resources: ResourceSet, diagnostics: [PolicyDiagnostic]
    ) {
        let place = destination.location
        func entry(_ key: String, _ value: ConfigurationNode) -> ConfigurationNode.Entry {
            .init(key: key, keyLocation: place, value: value)
        }
        func text(_ value: String) -> ConfigurationNode { ConfigurationNode(.scalar(value, isQuoted: true), location: place) }
        let rule = ConfigurationNode(
            .mapping([entry("action", text("Allow")), entry("protocol", text("TCP")), entry("destination", destination)]), location: place)
        let spec = ConfigurationNode(
            .mapping([entry("egress", ConfigurationNode(.sequence([rule]), location: place))]), location: place)
        return load(kind: namespace == nil ? "GlobalNetworkPolicy" : "NetworkPolicy", namespace: namespace, spec: spec)
    }

    private static func load(
        kind: String, namespace: String?, spec: ConfigurationNode
    ) -> (resources: ResourceSet, diagnostics: [PolicyDiagnostic]) {
        let place = spec.location
        func entry(_ key: String, _ value: ConfigurationNode) -> ConfigurationNode.Entry {
            .init(key: key, keyLocation: place, value: value)
        }
        func text(_ value: String) -> ConfigurationNode { ConfigurationNode(.scalar(value, isQuoted: true), location: place) }
        let metadata = [entry("name", text("p"))] + (namespace.map { [entry("namespace", text($0))] } ?? [])
        let document = ConfigurationNode(
            .mapping([
                entry("apiVersion", text("projectcalico.org/v3")), entry("kind", text(kind)),
                entry("metadata", ConfigurationNode(.mapping(metadata), location: place)), entry("spec", spec),
            ]), location: place)
        var problems = DiagnosticList()
        let resources = ResourceSet(decoding: [document], &problems)
        return (resources, problems.diagnostics)
    }
}
