/// One thing on which engine and reference (or engine and engine) differ.
struct Disagreement: Sendable, CustomStringConvertible {
    enum Kind: String, Sendable, CaseIterable {
        case endpoints, verdict, reason, rule, pattern, stagedPresence, stagedVerdict, stagedReason, lookup, couldAllow
        case patternNumbers, numberReused, incremental, fingerprint, fingerprintKept, explain
    }

    let kind: Kind
    let engine: String
    let reference: String

    init(_ kind: Kind, engine: String, reference: String) {
        self.kind = kind
        self.engine = engine
        self.reference = reference
    }

    var description: String { "\(kind.rawValue): the engine says \(engine), the reference \(reference)" }
}
