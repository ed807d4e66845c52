import PolicyModel
import Testing

@Suite(.enabled(if: Conformance.isPresent, Comment(rawValue: Conformance.absence)))
struct PolicyConformanceTests {
    private static let place = SourceLocation(file: "row", line: 1, column: 1)

    private static func text(_ value: String) -> ConfigurationNode { ConfigurationNode(.scalar(value, isQuoted: true), location: place) }

    private static func mapping(_ entries: [(String, ConfigurationNode)]) -> ConfigurationNode {
        ConfigurationNode(
            .mapping(entries.map { ConfigurationNode.Entry(key: $0.0, keyLocation: place, value: $0.1) }), location: place)
    }

    private static func resource(_ kind: String, metadata: ConfigurationNode?, spec: ConfigurationNode?) -> ConfigurationNode {
        mapping(
            [
                ("apiVersion", text("projectcalico.org/v3")), ("kind", text(kind)),
                ("metadata", metadata ?? mapping([("name", text("test"))])),
            ] + (spec.map { [("spec", $0)] } ?? []))
    }

    private static func policy(_ rule: ConfigurationNode, direction: String) -> ConfigurationNode {
        resource(
            "GlobalNetworkPolicy", metadata: nil,
            spec: mapping([(direction, ConfigurationNode(.sequence([rule]), location: place))]))
    }

    private static func diagnostics(_ document: ConfigurationNode) -> [PolicyDiagnostic] {
        var problems = DiagnosticList()
        _ = ResourceSet(decoding: [document], &problems)
        return problems.diagnostics
    }

    /// The whole resource for a row, nil for a type that is not read yet.
    private static func document(_ row: Conformance.Row) throws -> ConfigurationNode? {
        let object = try #require(row.node.first("object"))
        switch try #require(row.text("type")) {
        case "GlobalNetworkPolicy", "NetworkPolicy", "Tier", "GlobalNetworkSet", "NetworkSet":
            return resource(row.text("type") ?? "", metadata: object.first("metadata"), spec: object.first("spec"))
        case "GlobalNetworkSetSpec": return resource("GlobalNetworkSet", metadata: nil, spec: object)
        case "NetworkSetSpec": return resource("NetworkSet", metadata: nil, spec: object)
        case "Rule": return policy(object, direction: "ingress")
        case "EntityRule": return policy(mapping([("action", text("Allow")), ("source", object)]), direction: "ingress")
        default: return nil
        }
    }

    @Test func `resources are as valid as the conformance rows say`() throws {
        var compared = 0
        for row in try Conformance.rows("calico-policy-validity.jsonl") {
            guard let document = try Self.document(row) else { continue }
            let found = Self.diagnostics(document)
            // A field that is not supported yet is refused whatever the row says.
            if found.contains(where: { $0.message.contains("not supported yet") }) {
                continue
            }
            compared += 1
            #expect(!found.containsError == row.bool("valid"), "\(row)\n\(found.map(\.description))")
        }
        #expect(compared >= 80)
    }

    @Test func `rules with domains are as valid as the conformance rows say`() throws {
        var compared = 0
        for row in try Conformance.rows("calico-domains.jsonl") {
            guard let rule = row.node.first("rule"), let direction = row.text("direction") else { continue }
            compared += 1
            let found = Self.diagnostics(Self.policy(rule, direction: direction))
            #expect(!found.containsError == row.bool("valid"), "\(row)\n\(found.map(\.description))")
        }
        #expect(compared >= 9)
    }
}
