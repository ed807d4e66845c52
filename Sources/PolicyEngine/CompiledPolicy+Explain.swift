import DomainNames
import NetworkTypes

extension CompiledPolicy {
    /// One line of a trace: a rule that was tried, or a tier's end.
    public struct TraceLine: Sendable, Hashable, CustomStringConvertible {
        public let rule: RuleDescription
        public let outcome: String
        public var description: String { "\(rule): \(outcome)" }
    }

    /// The decision of `evaluate` and the way to it. For people; it may allocate.
    public func explain<Bindings: BindingLookup & ~Copyable>(
        endpoint position: Int, _ flow: FlowTuple, bindings: borrowing Bindings
    ) -> (decision: PolicyDecision, trace: [TraceLine]) {
        let endpoint = endpoints[position]
        var trace: [TraceLine] = []
        var step = endpoint.firstStep
        let end = step + endpoint.stepCount
        walk: while step < end {
            let current = steps[step]
            switch current.kind {
            case .policy:
                for rule in Int(current.firstRule)..<Int(current.firstRule + current.ruleCount) {
                    let match = matches(rule, flow, endpoint.id, bindings)
                    let description = descriptions[Int(rules[rule].description)]
                    guard match.isMatch else {
                        let why =
                            match.lacksName
                            ? "no match: the endpoint holds no live binding for this address under a name of the rule" : "no match"
                        trace.append(TraceLine(rule: description, outcome: why))
                        continue
                    }
                    trace.append(TraceLine(rule: description, outcome: "match"))
                    switch rules[rule].action {
                    case .allow, .deny: break walk
                    case .pass:
                        step += Int(current.stepsToNextTier)
                        continue walk
                    case .log: continue
                    }
                }
                step += 1
            case .tierDeny:
                trace.append(TraceLine(rule: descriptions[Int(current.description)], outcome: "no rule of the tier matched"))
                break walk
            case .tierPass:
                trace.append(
                    TraceLine(rule: descriptions[Int(current.description)], outcome: "no rule of the tier matched, on to the next tier"))
                step += 1
            }
        }
        return (evaluate(endpoint: position, flow, bindings: bindings), trace)
    }

    /// The selector numbers under which a name is published for an endpoint; ascending.
    public func selectors(of name: DomainName, endpoint position: Int) -> [SelectorNumber] {
        var all: [SelectorNumber] = []
        domains.appendNumbers(matching: name, to: &all)
        let wanted = endpoints[position].selectors
        return all.filter { wanted.contains($0) }.sorted()
    }

    /// Patterns of a selector number, for people.
    public func patterns(of selector: SelectorNumber) -> [DomainPattern] { selectorPatterns[selector] ?? [] }
}
