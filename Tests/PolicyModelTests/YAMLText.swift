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
func policy(_ spec: String) -> String {
    let lines = spec.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }.joined(separator: "\n")
    return """
        apiVersion: projectcalico.org/v3
        kind: NetworkPolicy
        metadata: {name: p, namespace: default}
        # the spec
        spec:
        \(lines)
        """
}
