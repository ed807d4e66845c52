import DomainNames
import PolicyModel

/// What the selectors and patterns of generated resources mean, by the trees and texts that they were made from.
public struct ReferenceVocabulary: Sendable {
    private var selectors: [Selector: ReferenceSelector] = [:]
    private var patterns: [DomainPattern: ReferencePattern] = [:]
    /// Texts that were refused, and different meanings that became one value: defects of the readers, found on the way.
    public private(set) var conflicts: [String] = []

    public init() {}

    /// Reads a text that the tree gave.
    mutating func selector(_ tree: ReferenceSelector, _ text: String, samples: [[String: String]]) -> Selector {
        do {
            let selector = try Selector(parsing: text)
            if let known = selectors[selector], known != tree {
                for labels in samples {
                    for (all, global) in [(true, true), (false, true), (true, false)]
                    where known.matches(labels, all: all, global: global) != tree.matches(labels, all: all, global: global) {
                        conflicts.append("\(text) was read as \(selector), but so was \(known), and on \(labels) they differ")
                    }
                }
            }
            if selectors[selector] == nil { selectors[selector] = tree }
            return selector
        } catch {
            conflicts.append("\(text) was refused: \(error)")
            return .all
        }
    }

    /// Reads a pattern that is valid in its dialect; nil if it is refused.
    mutating func pattern(_ text: String, _ dialect: PatternDialect, samples: [DomainName]) -> DomainPattern? {
        guard let pattern = try? DomainPattern(parsing: text, dialect: dialect) else {
            conflicts.append("the pattern \(text) was refused in the dialect \(dialect)")
            return nil
        }
        let meaning = ReferencePattern(text, dialect)
        if let known = patterns[pattern] {
            for name in samples where known.matches(name) != meaning.matches(name) {
                conflicts.append("\(meaning) and \(known) became one pattern, but differ on \(name)")
            }
        } else {
            patterns[pattern] = meaning
        }
        return pattern
    }

    /// Reads what the policies and sets of a simulation are made of, so that it is read once.
    mutating func remember(_ resources: ResourceSet) {
        func remember(_ selector: Selector?) {
            guard let selector, selectors[selector] == nil else { return }
            selectors[selector] = tree(of: selector)
        }
        func remember(_ pattern: DomainPattern) { if patterns[pattern] == nil { patterns[pattern] = meaning(of: pattern) } }
        for policy in resources.policies {
            remember(policy.selector)
            for rule in policy.egress {
                remember(rule.destination.selector)
                rule.destination.domains.forEach(remember)
            }
        }
        for set in resources.networkSets { set.allowedEgressDomains.forEach(remember) }
    }

    /// The tree of a selector; one that no generator made is read from its canonical text.
    func tree(of selector: Selector) -> ReferenceSelector {
        if let known = selectors[selector] { return known }
        guard let tree = ReferenceSelector(reading: selector.description) else {
            preconditionFailure("the canonical text of a selector is readable: \(selector)")
        }
        return tree
    }

    /// The text of a pattern; one that no generator made is taken from its description, which says if it is not Calico's.
    func meaning(of pattern: DomainPattern) -> ReferencePattern {
        if let known = patterns[pattern] { return known }
        let parts = pattern.description.split(separator: " ", maxSplits: 1)
        let dialect: PatternDialect =
            switch parts.dropFirst().first {
            case "[one label]": .ovn
            case "[matchPattern]": .cilium
            case "[any characters]": .antrea
            default: .calico
            }
        return ReferencePattern(parts.first.map(String.init) ?? "", dialect)
    }

    /// Whether the pattern matches the name, by its text.
    public func matches(_ pattern: DomainPattern, _ name: DomainName) -> Bool { meaning(of: pattern).matches(name) }
}
