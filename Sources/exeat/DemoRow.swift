/// One thing that the demo tries.
struct DemoRow {
    struct Outcome {
        enum Kind: String {
            case reached
            case refused
            /// Neither: a timeout, or the client did not run.
            case failed
        }

        let kind: Kind
        let detail: String
    }

    let pod: String
    let what: String
    let target: String
    /// By which its line in the flow log is found; nil: none is expected.
    let destination: String?
    let port: UInt16
    let expected: Outcome.Kind
    /// What the deciding rule's name must hold; nil: anything.
    let rule: String?
    let attempt: () -> Outcome

    func expects(_ outcome: Outcome) -> Bool { outcome.kind == expected }

    static var header: String {
        pad("FROM", 7) + pad("WHAT", 38) + pad("TARGET", 36) + pad("RESULT", 34) + pad("DECIDED BY", 62) + "AS EXPECTED"
    }

    func line(outcome: Outcome, decision: String, isExpected: Bool) -> String {
        Self.pad(pod, 7) + Self.pad(what, 38) + Self.pad(target, 36) + Self.pad("\(outcome.kind.rawValue) (\(outcome.detail))", 34)
            + Self.pad(decision, 62) + (isExpected ? "yes" : "NO, expected \(expected.rawValue)")
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
