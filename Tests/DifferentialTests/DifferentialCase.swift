import DomainNames
import EnforcementTesting
import PolicyModel

struct CaseOptions: Sendable {
    var unselectedAllowed = true
    var exclusiveByDefault = false
}

/// One question: may this endpoint begin this flow, holding the destination under these names?
struct Probe: Sendable {
    var identity: String
    var flow: ReferenceFlow
    var held: [DomainName]
    /// A name to ask the DNS stage for.
    var asked: DomainName
}

/// A chain of worlds, the first compiled whole and each further one applied as changes, and a question at its end.
struct DifferentialCase: Sendable {
    var worlds: [[Resource]]
    var options: CaseOptions
    var refused: Set<String>
    var vocabulary: ReferenceVocabulary
    var probe: Probe
}
