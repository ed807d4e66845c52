/// A label selector in Calico's language.
///
///     selector  = [ or ]                          ; nothing means all()
///     or        = and *( "||" and )
///     and       = operand *( "&&" operand )
///     operand   = *"!" ( "(" or ")" / "has(" label ")" / "all()" / "global()" / label operation )
///     operation = ( "==" / "!=" / "contains" / "starts with" / "ends with" ) text
///               / ( "in" / "not in" ) "{" [ text *( "," text ) [ "," ] ] "}"
///     label     = 1*512( letter / digit / "_" / "." / "/" / "-" )
///     text      = between single or double quotes, without escapes
///
/// `!` binds to the operand that follows, `&&` tighter than `||`. `startswith`, `endswith` and `notin` may be written
/// together. `!=` and `not in` are true for an absent label. Texts are compared as bytes.
/// Source: the Calico documentation, "Selector" under NetworkPolicy.
public struct Selector: Hashable, Sendable {
    indirect enum Expression: Hashable, Sendable {
        case all
        /// True like `all`, but in a rule's namespaceSelector it means "what belongs to no namespace".
        case global
        case has(String)
        case equal(String, String)
        case notEqual(String, String)
        case contains(String, String)
        case startsWith(String, String)
        case endsWith(String, String)
        case isIn(String, [String])
        case isNotIn(String, [String])
        case not(Expression)
        case and([Expression])
        case or([Expression])
    }

    let root: Expression

    init(root: Expression) { self.root = root }

    /// Throws what is wrong and where. Texts beyond 64 KiB and nesting beyond 64 levels are refused.
    public init(parsing text: some StringProtocol) throws(SelectorError) {
        var parser = SelectorParser(text)
        root = try parser.parse()
    }

    /// Selects everything.
    public static let all = Selector(root: .all)

    /// Linear in the size of the selector.
    public func matches(_ labels: [String: String]) -> Bool { root.matches(labels) }

    /// Whether this is `all()` or empty.
    public var isAll: Bool { root == .all }

    /// Whether this is `global()` and nothing else.
    public var isGlobal: Bool { root == .global }

    /// Whether `global()` occurs anywhere.
    public var mentionsGlobal: Bool { root.mentionsGlobal }
}

extension Selector.Expression {
    func matches(_ labels: [String: String]) -> Bool {
        switch self {
        case .all, .global: true
        case .has(let label): labels[label] != nil
        case .equal(let label, let text): labels[label].map { $0.utf8.elementsEqual(text.utf8) } ?? false
        case .notEqual(let label, let text): labels[label].map { !$0.utf8.elementsEqual(text.utf8) } ?? true
        case .contains(let label, let text): labels[label].map { Self.contains(Array($0.utf8), Array(text.utf8)) } ?? false
        case .startsWith(let label, let text): labels[label].map { $0.utf8.starts(with: text.utf8) } ?? false
        case .endsWith(let label, let text): labels[label].map { $0.utf8.reversed().starts(with: text.utf8.reversed()) } ?? false
        case .isIn(let label, let texts): labels[label].map { Self.isElement($0, of: texts) } ?? false
        case .isNotIn(let label, let texts): labels[label].map { !Self.isElement($0, of: texts) } ?? true
        case .not(let inner): !inner.matches(labels)
        case .and(let inner): inner.allSatisfy { $0.matches(labels) }
        case .or(let inner): inner.contains { $0.matches(labels) }
        }
    }

    private static func isElement(_ value: String, of texts: [String]) -> Bool {
        texts.contains { $0.utf8.elementsEqual(value.utf8) }
    }

    private static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        guard bytes.count >= part.count else { return false }
        return (0...(bytes.count - part.count)).contains { bytes[$0...].starts(with: part) }
    }

    var mentionsGlobal: Bool {
        switch self {
        case .global: true
        case .not(let inner): inner.mentionsGlobal
        case .and(let inner), .or(let inner): inner.contains(where: \.mentionsGlobal)
        default: false
        }
    }
}
