import DomainNames

/// A domain pattern as text in its dialect, matched label by label: what `DomainPattern` and `DomainTrie` are tested against.
public struct ReferencePattern: Hashable, Sendable {
    public let text: String
    public let dialect: PatternDialect

    public init(_ text: String, _ dialect: PatternDialect) {
        self.text = text
        self.dialect = dialect
    }

    /// Names are compared without regard to letter case (RFC 4343); a final dot does not count.
    public func matches(_ name: DomainName) -> Bool {
        let nameLabels = name.labels.reversed().map { String(decoding: $0, as: UTF8.self) }
        var pattern = text.lowercased()
        if pattern == "." { return nameLabels.isEmpty }
        if pattern.hasSuffix(".") { pattern.removeLast() }
        switch dialect {
        case .ciliumName: return pattern == nameLabels.joined(separator: ".")
        case .antrea: return Self.globs(pattern[...], nameLabels.joined(separator: ".")[...]) { _ in true }
        case .cilium where pattern.allSatisfy({ $0 == "*" }): return nameLabels.allSatisfy { Self.isHostText($0) }
        case .calico, .calicoInline, .cilium, .kubernetes, .ovn, .istio:
            let patternLabels = pattern.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            return matches(patternLabels[...], nameLabels[...], isFirst: true)
        }
    }

    private func matches(_ pattern: ArraySlice<String>, _ name: ArraySlice<String>, isFirst: Bool) -> Bool {
        guard let label = pattern.first else { return name.isEmpty }
        guard let nameLabel = name.first else { return false }
        if isMany(label, isFirst: isFirst) {
            // This label stands for the wildcard: alone, or with more of them.
            if dialect == .cilium, !Self.isHostText(nameLabel) { return false }
            return matches(pattern.dropFirst(), name.dropFirst(), isFirst: false)
                || matches(pattern, name.dropFirst(), isFirst: isFirst)
        }
        let isLabelMatch =
            switch dialect {
            case .cilium: Self.globs(label[...], nameLabel[...], Self.isHostCharacter)
            case .ovn: label == "*" || label == nameLabel
            default: label == nameLabel
            }
        return isLabelMatch && matches(pattern.dropFirst(), name.dropFirst(), isFirst: false)
    }

    /// Whether a label of the pattern stands for one or more of the name.
    private func isMany(_ label: String, isFirst: Bool) -> Bool {
        switch dialect {
        case .calico, .calicoInline, .kubernetes, .istio: label == "*"
        case .cilium: isFirst && label.count >= 2 && label.allSatisfy { $0 == "*" }
        case .ovn, .ciliumName, .antrea: false
        }
    }

    /// `*` stands for any number of the characters that it takes.
    private static func globs(_ pattern: Substring, _ text: Substring, _ takes: (Character) -> Bool) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == "*" {
            if globs(pattern.dropFirst(), text, takes) { return true }
            guard let next = text.first, takes(next) else { return false }
            return globs(pattern, text.dropFirst(), takes)
        }
        return text.first == first && globs(pattern.dropFirst(), text.dropFirst(), takes)
    }

    /// What Cilium's wildcards take (docs.cilium.io, "DNS based": matchPattern).
    private static func isHostCharacter(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || character == "-" || character == "_")
    }

    private static func isHostText(_ label: String) -> Bool { label.allSatisfy(isHostCharacter) }
}
