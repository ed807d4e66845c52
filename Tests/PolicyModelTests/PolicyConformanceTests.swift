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

    /// The whole resource for a row: a part is put into the smallest resource that can hold it.
    private static func document(_ row: Conformance.Row) throws -> ConfigurationNode {
        let object = try #require(row.node.first("object"))
        let type = try #require(row.text("type"))
        switch type {
        case "GlobalNetworkSetSpec", "NetworkSetSpec", "HostEndpointSpec", "ProfileSpec":
            return resource(String(type.dropLast(4)), metadata: nil, spec: object)
        case "ProtoPort":
            let ports = ConfigurationNode(.sequence([object]), location: place)
            return resource("FelixConfiguration", metadata: nil, spec: mapping([("failsafeOutboundHostPorts", ports)]))
        case "Rule": return policy(object, direction: "ingress")
        case "EntityRule": return policy(mapping([("action", text("Allow")), ("source", object)]), direction: "ingress")
        case "ICMPFields":
            return policy(mapping([("action", text("Allow")), ("protocol", text("ICMP")), ("icmp", object)]), direction: "ingress")
        case "HTTPMatch":
            return policy(mapping([("action", text("Allow")), ("protocol", text("TCP")), ("http", object)]), direction: "ingress")
        default:
            let kind = try #require(ResourceKind(rawValue: type), "\(row)")
            return resource(kind.rawValue, metadata: object.first("metadata"), spec: object.first("spec"))
        }
    }

    /// What the resource of a row refers to: the rows look at one resource, Exeat also at what it names.
    private static func surroundings(_ document: ConfigurationNode) -> [ConfigurationNode] {
        var result: [ConfigurationNode] = []
        if case .scalar(let tier, _)? = document.first("spec")?.first("tier")?.kind, Tier.builtIn(tier) == nil {
            result.append(resource("Tier", metadata: mapping([("name", text(tier))]), spec: nil))
        }
        if case .sequence(let profiles)? = document.first("spec")?.first("profiles")?.kind {
            for case .scalar(let name, _) in profiles.map(\.kind) where !name.hasPrefix(".") {
                result.append(resource("Profile", metadata: mapping([("name", text(name))]), spec: nil))
            }
        }
        return result
    }

    @Test func `resources are as valid as the conformance rows say`() throws {
        let rows = try Conformance.rows("calico-policy-validity.jsonl")
        #expect(rows.count > 150)
        for row in rows {
            let document = try Self.document(row)
            var problems = DiagnosticList()
            _ = ResourceSet(decoding: [document] + Self.surroundings(document), &problems)
            #expect((problems.errorCount == 0) == row.bool("valid"), "\(row)\n\(problems.diagnostics.map(\.description))")
        }
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
