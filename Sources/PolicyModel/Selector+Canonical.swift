extension Selector: CustomStringConvertible {
    /// The canonical form: one space around operators, texts in double quotes (in single quotes if they hold a double
    /// one), sets sorted by bytes without duplicates, `&&` and `||` always in parentheses, double negation removed.
    public var description: String { root.text }

    /// The same selector with `prefix` before every label name.
    public func prefixingLabels(_ prefix: String) -> Selector { prefixingLabels(prefix, all: .all, global: .global) }

    /// With `all()` and `global()` as given too: how a selector over namespaces becomes one over the labels that endpoints
    /// take from their namespace (`pcns.`).
    func prefixingLabels(_ prefix: String, all: Expression, global: Expression) -> Selector {
        Selector(root: root.prefixingLabels(prefix, all: all, global: global))
    }

    /// True where all of `selectors` are; `all()` if there is none.
    static func conjunction(_ selectors: [Selector]) -> Selector {
        let parts = selectors.map(\.root)
        return switch parts.count {
        case 0: .all
        case 1: Selector(root: parts[0])
        default: Selector(root: .and(parts))
        }
    }
}

extension Selector.Expression {
    var text: String {
        switch self {
        case .all: "all()"
        case .global: "global()"
        case .has(let label): "has(\(label))"
        case .equal(let label, let text): "\(label) == \(Self.quoted(text))"
        case .notEqual(let label, let text): "\(label) != \(Self.quoted(text))"
        case .contains(let label, let text): "\(label) contains \(Self.quoted(text))"
        case .startsWith(let label, let text): "\(label) starts with \(Self.quoted(text))"
        case .endsWith(let label, let text): "\(label) ends with \(Self.quoted(text))"
        case .isIn(let label, let texts): "\(label) in \(Self.set(texts))"
        case .isNotIn(let label, let texts): "\(label) not in \(Self.set(texts))"
        case .not(let inner): "!\(inner.text)"
        case .and(let inner): "(\(inner.map(\.text).joined(separator: " && ")))"
        case .or(let inner): "(\(inner.map(\.text).joined(separator: " || ")))"
        }
    }

    private static func quoted(_ text: String) -> String {
        text.utf8.contains(UInt8(ascii: "\"")) ? "'\(text)'" : "\"\(text)\""
    }

    private static func set(_ texts: [String]) -> String { "{\(texts.map(quoted).joined(separator: ", "))}" }

    func prefixingLabels(_ prefix: String, all: Self, global: Self) -> Self {
        switch self {
        case .all: all
        case .global: global
        case .has(let label): .has(prefix + label)
        case .equal(let label, let text): .equal(prefix + label, text)
        case .notEqual(let label, let text): .notEqual(prefix + label, text)
        case .contains(let label, let text): .contains(prefix + label, text)
        case .startsWith(let label, let text): .startsWith(prefix + label, text)
        case .endsWith(let label, let text): .endsWith(prefix + label, text)
        case .isIn(let label, let texts): .isIn(prefix + label, texts)
        case .isNotIn(let label, let texts): .isNotIn(prefix + label, texts)
        case .not(let inner): .not(inner.prefixingLabels(prefix, all: all, global: global))
        case .and(let inner): .and(inner.map { $0.prefixingLabels(prefix, all: all, global: global) })
        case .or(let inner): .or(inner.map { $0.prefixingLabels(prefix, all: all, global: global) })
        }
    }
}
