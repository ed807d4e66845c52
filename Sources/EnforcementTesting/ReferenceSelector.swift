/// A selector as a tree of its own, evaluated plainly: what the selector language is tested against.
///
/// Shares nothing with `Selector`: the generator makes trees, writes them as text for `Selector` to read, and keeps the tree for the
/// reference evaluator. Source: docs.tigera.io, NetworkPolicy, "Selector".
public indirect enum ReferenceSelector: Hashable, Sendable {
    case all
    case global
    case has(String)
    case equal(String, String)
    case notEqual(String, String)
    case contains(String, String)
    case startsWith(String, String)
    case endsWith(String, String)
    case isIn(String, [String])
    case isNotIn(String, [String])
    case not(ReferenceSelector)
    case and([ReferenceSelector])
    case or([ReferenceSelector])

    /// `all` and `global` say what `all()` and `global()` mean here: over the labels of namespaces, "it has a namespace" and "it has none".
    public func matches(_ labels: [String: String], all: Bool = true, global: Bool = true) -> Bool {
        switch self {
        case .all: return all
        case .global: return global
        case .has(let label): return labels[label] != nil
        case .equal(let label, let text):
            guard let value = labels[label] else { return false }
            return Array(value.utf8) == Array(text.utf8)
        case .notEqual(let label, let text): return !Self.equal(label, text).matches(labels)
        case .contains(let label, let text):
            guard let value = labels[label] else { return false }
            let (bytes, part) = (Array(value.utf8), Array(text.utf8))
            if part.isEmpty { return true }
            for start in bytes.indices where start + part.count <= bytes.count {
                if Array(bytes[start..<(start + part.count)]) == part { return true }
            }
            return false
        case .startsWith(let label, let text):
            guard let value = labels[label] else { return false }
            return Array(value.utf8.prefix(text.utf8.count)) == Array(text.utf8)
        case .endsWith(let label, let text):
            guard let value = labels[label] else { return false }
            return Array(value.utf8.suffix(text.utf8.count)) == Array(text.utf8)
        case .isIn(let label, let texts):
            for text in texts where Self.equal(label, text).matches(labels) { return true }
            return false
        case .isNotIn(let label, let texts): return !Self.isIn(label, texts).matches(labels)
        case .not(let inner): return !inner.matches(labels, all: all, global: global)
        case .and(let parts):
            for part in parts where !part.matches(labels, all: all, global: global) { return false }
            return true
        case .or(let parts):
            for part in parts where part.matches(labels, all: all, global: global) { return true }
            return false
        }
    }
}
