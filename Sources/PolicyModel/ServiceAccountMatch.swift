/// The service accounts whose endpoints a rule matches: by name, by label, both if both are given.
public struct ServiceAccountMatch: Sendable, Hashable {
    /// Empty: any.
    public var names: [String]
    /// Over the labels of service accounts.
    public var selector: Selector?

    public init(names: [String] = [], selector: Selector? = nil) {
        self.names = names
        self.selector = selector
    }

    /// Whether it restricts nothing.
    public var isEmpty: Bool { names.isEmpty && selector == nil }

    /// Over the effective labels of endpoints; nil if it restricts nothing.
    var effectiveSelector: Selector? {
        var parts: [Selector] = []
        if let selector { parts.append(selector.asServiceAccountSelector) }
        if !names.isEmpty { parts.append(Selector(root: .isIn(ReservedLabel.serviceAccount, names.sorted()))) }
        return parts.isEmpty ? nil : Selector.conjunction(parts)
    }
}
