import Datastores
import PolicyModel

/// Properties of the policy reader.
enum ConfigurationProperties {
    /// Whatever the text, reading it ends, names a place for every problem, and gives the same twice.
    static func decode(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        let (resources, problems) = read(input)
        let (again, problemsAgain) = read(input)
        guard resources == again, problems.diagnostics == problemsAgain.diagnostics else {
            throw FuzzTarget.Violation(reason: "the same text is read differently the second time")
        }
        for diagnostic in problems.diagnostics {
            if let location = diagnostic.location, location.line < 1 || location.column < 1 {
                throw FuzzTarget.Violation(reason: "a place before the first line: \(diagnostic)")
            }
        }
        let found = resources.policies.count + resources.tiers.count + resources.networkSets.count + resources.endpoints.count
        return FuzzTarget.Outcome(kind: min(found, 8) * 16 + min(problems.errorCount, 15))
    }

    private static func read(_ input: [UInt8]) -> (ResourceSet, DiagnosticList) {
        var problems = DiagnosticList()
        let documents = ConfigurationDocument.nodes(yaml: input, file: "fuzz.yaml", &problems)
        let resources = ResourceSet(decoding: documents, &problems)
        return (resources, problems)
    }
}
