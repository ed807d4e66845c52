import DomainNames

extension DomainPattern {
    /// Whether it certainly matches every name that `other` matches; false where that is not plain to see.
    func covers(_ other: DomainPattern) -> Bool {
        if self == other { return true }
        let text = other.description
        guard !text.utf8.contains(UInt8(ascii: "\\")) else { return false }
        if other.isExact { return (try? DomainName(parsing: text)).map(matches) ?? false }
        // A wildcard in front for one or more labels holds all that ends the same way.
        guard let suffix = openSuffix, text.hasSuffix(".\(suffix)") else { return false }
        return !(try? DomainName(parsing: suffix)).map(other.matches).isTrue
    }

    /// Of a pattern that is `*.` for one or more labels before a name: that name.
    private var openSuffix: String? {
        let text = description
        guard text.hasPrefix("*."), !text.utf8.contains(UInt8(ascii: "\\")) else { return nil }
        let suffix = String(text.dropFirst(2))
        guard !suffix.utf8.contains(UInt8(ascii: "*")) else { return nil }
        let isOpen = ["a.", "a.b.", "a.b.c."].allSatisfy { (try? DomainName(parsing: $0 + suffix)).map(matches).isTrue }
        return isOpen ? suffix : nil
    }

    /// What stands behind the last wildcard, or the whole: patterns that cover this one have it, or what stands behind one of its dots.
    var tail: Substring {
        let text = description
        guard let star = text.lastIndex(of: "*") else { return text[...] }
        return text[text.index(after: star)...].drop { $0 == "." }
    }

    /// A name that it matches, and that as few other patterns as possible do; nil if none is found.
    var sampleName: DomainName? {
        let text = description
        if isExact { return try? DomainName(parsing: text) }
        for sample in ["sample", "a", "sample.name", "a.b"] {
            let candidate = text.replacing("**", with: "*").replacing("*", with: sample)
            if let name = try? DomainName(parsing: candidate), matches(name) { return name }
        }
        return nil
    }
}

extension Bool? {
    fileprivate var isTrue: Bool { self ?? false }
}
