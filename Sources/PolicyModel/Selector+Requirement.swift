/// What labels must hold at least for a selector to match them: the key of an inverted index over selectors.
extension Selector {
    /// A label with a value; without one (nil) the label with any value.
    public struct LabelKey: Hashable, Sendable {
        public let label: String
        public let value: String?

        public init(label: String, value: String?) {
            self.label = label
            self.value = value
        }
    }

    /// Keys of which labels that the selector matches have at least one: nil if the selector asks for none, empty if it matches nothing.
    ///
    /// Of the parts of a conjunction each would do; the one whose keys cost least together is taken. The answer may hold for labels that
    /// do not match. Linear in the size of the selector.
    public func necessaryKeys(cost: (LabelKey) -> Int) -> [LabelKey]? { root.necessaryKeys(isNegated: false, cost: cost) }

    /// The names of all labels that it looks at.
    public var labelNames: Set<String> {
        var names: Set<String> = []
        root.collectLabelNames(&names)
        return names
    }
}

extension Selector.Expression {
    func necessaryKeys(isNegated: Bool, cost: (Selector.LabelKey) -> Int) -> [Selector.LabelKey]? {
        switch self {
        case .all, .global: isNegated ? [] : nil
        case .has(let label), .contains(let label, _), .startsWith(let label, _), .endsWith(let label, _):
            isNegated ? nil : [Selector.LabelKey(label: label, value: nil)]
        case .equal(let label, let value): isNegated ? nil : [Selector.LabelKey(label: label, value: value)]
        case .isIn(let label, let values): isNegated ? nil : values.map { Selector.LabelKey(label: label, value: $0) }
        case .notEqual(let label, let value): isNegated ? [Selector.LabelKey(label: label, value: value)] : nil
        case .isNotIn(let label, let values): isNegated ? values.map { Selector.LabelKey(label: label, value: $0) } : nil
        case .not(let inner): inner.necessaryKeys(isNegated: !isNegated, cost: cost)
        // A negated conjunction is a disjunction of negations, and the other way round.
        case .and(let parts):
            isNegated ? Self.anyOf(parts, isNegated: true, cost: cost) : Self.cheapest(parts, isNegated: false, cost: cost)
        case .or(let parts):
            isNegated ? Self.cheapest(parts, isNegated: true, cost: cost) : Self.anyOf(parts, isNegated: false, cost: cost)
        }
    }

    private static func anyOf(_ parts: [Self], isNegated: Bool, cost: (Selector.LabelKey) -> Int) -> [Selector.LabelKey]? {
        var result: [Selector.LabelKey] = []
        for part in parts {
            guard let keys = part.necessaryKeys(isNegated: isNegated, cost: cost) else { return nil }
            result += keys
        }
        return result
    }

    private static func cheapest(_ parts: [Self], isNegated: Bool, cost: (Selector.LabelKey) -> Int) -> [Selector.LabelKey]? {
        var best: [Selector.LabelKey]?
        var bestCost = Int.max
        for part in parts {
            guard let keys = part.necessaryKeys(isNegated: isNegated, cost: cost) else { continue }
            // A label with any value is met more often than with one; a list is as many lookups.
            let partCost = keys.reduce(0) { $0 + cost($1) + ($1.value == nil ? 2 : 1) }
            if partCost < bestCost { (best, bestCost) = (keys, partCost) }
        }
        return best
    }

    func collectLabelNames(_ names: inout Set<String>) {
        switch self {
        case .all, .global: break
        case .has(let label), .equal(let label, _), .notEqual(let label, _), .contains(let label, _), .startsWith(let label, _),
            .endsWith(let label, _), .isIn(let label, _), .isNotIn(let label, _):
            names.insert(label)
        case .not(let inner): inner.collectLabelNames(&names)
        case .and(let parts), .or(let parts): for part in parts { part.collectLabelNames(&names) }
        }
    }
}
