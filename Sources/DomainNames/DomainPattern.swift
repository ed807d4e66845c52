/// A name or a wildcard, as a policy names destinations. One form serves all dialects:
///
///     leading labels . wildcard . trailing labels        update.*.example.org
///
/// with the wildcard standing for no label (an exact name), one or more labels, or exactly one.
public struct DomainPattern: Hashable, Sendable {
    enum Wildcard: UInt8, Sendable {
        case none
        case oneOrMoreLabels
        case oneLabel
    }

    /// Labels left of the wildcard, root first with lengths; empty if it comes first.
    let leading: [UInt8]
    let leadingCount: Int
    let wildcard: Wildcard
    /// Labels right of the wildcard, or the whole name.
    let trailing: DomainName

    /// Reads a pattern. The error names the byte, what is wrong and what to write instead.
    public init(parsing text: some StringProtocol, dialect: PatternDialect) throws(DomainPatternError) {
        var text = String(text)
        try DomainPatternSyntax.check(text)
        if text.hasSuffix("."), text.utf8.count > 1 { text.removeLast() }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        try DomainPatternSyntax.check(labels: labels, dialect: dialect)
        let star = labels.firstIndex(of: "*")
        var partOffset = 0
        do throws(DomainNameError) {
            if let star {
                leading = star == 0 ? [] : try DomainName(parsing: labels[..<star].joined(separator: ".")).rootFirst
                partOffset = labels[...star].reduce(0) { $0 + $1.utf8.count + 1 }
                trailing = try DomainName(parsing: labels[(star + 1)...].joined(separator: "."))
                leadingCount = star
                wildcard = dialect == .ovn ? .oneLabel : .oneOrMoreLabels
            } else {
                trailing = try DomainName(parsing: text)
                leading = []
                leadingCount = 0
                wildcard = .none
            }
        } catch {
            throw DomainPatternError(offset: partOffset + error.offset, reason: error.reason.rawValue)
        }
        guard leading.count + trailing.rootFirst.count + (wildcard == .none ? 0 : 2) < DomainName.wireBytesMax else {
            throw DomainPatternError(offset: text.utf8.count, reason: DomainNameError.Reason.tooLong.rawValue)
        }
    }

    /// Whether it names one name only.
    public var isExact: Bool { wildcard == .none }

    /// The plain meaning, label by label; `DomainTrie` gives the same answers fast.
    public func matches(_ name: DomainName) -> Bool {
        guard name.isSubdomain(of: trailing) else { return false }
        let free = name.labelCount - trailing.labelCount - leadingCount
        switch wildcard {
        case .none: return name.rootFirst.count == trailing.rootFirst.count
        case .oneLabel: return free == 1
        case .oneOrMoreLabels:
            return free >= 1 && name.labels.suffix(leadingCount).reduce(into: []) { $0 += [UInt8($1.count)] + $1 } == leading
        }
    }
}

extension DomainPattern: CustomStringConvertible {
    /// In Calico's form: lower case, without a final dot.
    public var description: String {
        guard wildcard != .none else { return trailing.description }
        let head = (try? DomainName(rootFirst: leading)).map { $0.rootFirst.isEmpty ? "" : "\($0)." } ?? ""
        return "\(head)*.\(trailing)"
    }
}
