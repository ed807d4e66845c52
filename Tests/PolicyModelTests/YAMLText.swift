import Datastores
import PolicyModel

/// Loads YAML text as one file named `t.yaml`.
func load(_ yaml: String) -> (resources: ResourceSet, diagnostics: [PolicyDiagnostic]) {
    var problems = DiagnosticList()
    let documents = ConfigurationDocument.nodes(yaml: yaml, file: "t.yaml", &problems)
    let resources = ResourceSet(decoding: documents, &problems)
    return (resources, problems.diagnostics.sortedByLocation())
}

/// A NetworkPolicy with this spec, its first line being line 6; lines are indented by two.
func policy(_ spec: String) -> String { resource("NetworkPolicy", "{name: p, namespace: default}", spec) }

/// A resource of projectcalico.org/v3, the first line of its spec being line 6; lines are indented by two.
func resource(_ kind: String, _ metadata: String, _ spec: String) -> String {
    let lines = spec.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }.joined(separator: "\n")
    return """
        apiVersion: projectcalico.org/v3
        kind: \(kind)
        metadata: \(metadata)
        # the spec
        spec:
        \(lines)
        """
}

/// The errors, as `field: message (hint)`.
func errors(_ yaml: String) -> [String] {
    load(yaml).diagnostics.filter { $0.severity == .error }.map { finding in
        "\(finding.field): \(finding.message)" + (finding.hint.map { " (\($0))" } ?? "")
    }
}

/// The warnings, as `field: message`.
func warnings(_ yaml: String) -> [String] {
    load(yaml).diagnostics.filter { $0.severity == .warning }.map { "\($0.field): \($0.message)" }
}
