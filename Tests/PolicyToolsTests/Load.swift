import Datastores
import PolicyModel
import Testing

/// Resources out of YAML text; anything wrong in it fails the test.
func resources(_ yaml: String, file: String = "test.yaml", sourceLocation: Testing.SourceLocation = #_sourceLocation) -> ResourceSet {
    var problems = DiagnosticList()
    let documents = ConfigurationDocument.nodes(yaml: yaml, file: file, &problems)
    let set = ResourceSet(decoding: documents, &problems)
    #expect(problems.errorCount == 0, "\(problems.diagnostics)", sourceLocation: sourceLocation)
    return set
}
