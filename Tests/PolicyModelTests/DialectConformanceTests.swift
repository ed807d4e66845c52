import PolicyModel
import Testing

/// Names and patterns in whole policies of the dialects.
@Suite(.enabled(if: Conformance.isPresent, Comment(rawValue: Conformance.absence)))
struct DialectConformanceTests {
    private static let place = SourceLocation(file: "row", line: 1, column: 1)

    private static func text(_ value: String) -> ConfigurationNode { ConfigurationNode(.scalar(value, isQuoted: true), location: place) }

    private static func list(_ elements: ConfigurationNode...) -> ConfigurationNode {
        ConfigurationNode(.sequence(elements), location: place)
    }

    private static func mapping(_ entries: [(String, ConfigurationNode)]) -> ConfigurationNode {
        ConfigurationNode(
            .mapping(entries.map { ConfigurationNode.Entry(key: $0.0, keyLocation: place, value: $0.1) }), location: place)
    }

    private static func errors(_ version: String, _ kind: String, namespace: String?, _ spec: ConfigurationNode) -> [String] {
        let metadata = mapping([("name", text("p"))] + (namespace.map { [("namespace", text($0))] } ?? []))
        let document = mapping([("apiVersion", text(version)), ("kind", text(kind)), ("metadata", metadata), ("spec", spec)])
        var problems = DiagnosticList()
        _ = ResourceSet(decoding: [document], &problems)
        return problems.diagnostics.filter { $0.severity == .error }.map(\.description)
    }

    @Test func `names and patterns of Cilium policies are as valid as the conformance rows say`() throws {
        let rows = try Conformance.rows("cilium-selector-validation.jsonl")
        #expect(rows.count == 28)
        for row in rows {
            let selector = try #require(row.node.first("selector"))
            let rule: ConfigurationNode
            if row.text("rule") == "dns" {
                let port = Self.mapping([("port", Self.text("53")), ("protocol", Self.text("UDP"))])
                let rules = Self.mapping([("dns", Self.list(selector))])
                rule = Self.mapping([("toPorts", Self.list(Self.mapping([("ports", Self.list(port)), ("rules", rules)])))])
            } else {
                rule = Self.mapping([("toFQDNs", Self.list(selector))])
            }
            let spec = Self.mapping([("endpointSelector", Self.mapping([])), ("egress", Self.list(rule))])
            let found = Self.errors("cilium.io/v2", "CiliumNetworkPolicy", namespace: "shop", spec)
            #expect(found.isEmpty == row.bool("valid"), "\(row)\n\(found)")
        }
    }

    @Test func `domain names of ClusterNetworkPolicies are as valid as the conformance rows say`() throws {
        let rows = try Conformance.rows("kubernetes-domain-names.jsonl")
        #expect(rows.count == 31)
        for row in rows {
            let peer = Self.mapping([("domainNames", Self.list(try #require(row.node.first("domainName"))))])
            let rule = Self.mapping([("action", Self.text("Accept")), ("to", Self.list(peer))])
            let spec = Self.mapping([
                ("tier", Self.text("Admin")), ("priority", ConfigurationNode(.scalar("1", isQuoted: false), location: Self.place)),
                ("subject", Self.mapping([("namespaces", Self.mapping([]))])), ("egress", Self.list(rule)),
            ])
            let found = Self.errors("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", namespace: nil, spec)
            #expect(found.isEmpty == row.bool("should_accept"), "\(row)\n\(found)")
        }
    }
}
