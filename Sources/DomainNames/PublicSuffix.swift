import CPSL

/// A name below which anybody may register names: `com`, `co.uk`, `github.io` (publicsuffix.org).
///
/// A wildcard that stands right below one takes in names of every owner. Asked by `exeat check`; nothing is refused because of it.
public struct PublicSuffix: Hashable, Sendable {
    public enum Section: Sendable, Hashable {
        /// Not on the list, but wider than all that is: the root.
        case root
        /// Registries of the domain name system.
        case registry
        /// Owners that hand out names below their own, `github.io` for one.
        case privateOwner
    }

    public let name: DomainName
    public let section: Section

    /// Nil if the list that is built into libpsl does not hold `name`. A top-level domain that it does not know (`internal`) is none.
    public init?(_ name: DomainName) {
        guard let section = Self.section(of: name) else { return nil }
        self.name = name
        self.section = section
    }

    /// `psl_is_public_suffix2`: https://rockdaboot.github.io/libpsl/libpsl-Public-Suffix-List-functions.html
    private static func section(of name: DomainName) -> Section? {
        guard !name.rootFirst.isEmpty else { return .root }
        // What no host name holds is on no list, and a zero byte would end the text for C.
        guard name.labels.allSatisfy({ $0.allSatisfy(LabelGlob.isHostCharacter) }) else { return nil }
        guard let list = unsafe psl_builtin() else { return nil }
        let text = name.description
        func isListed(_ types: Int32) -> Bool { unsafe psl_is_public_suffix2(list, text, types | PSL_TYPE_NO_STAR_RULE) == 1 }
        if isListed(PSL_TYPE_ICANN) { return .registry }
        return isListed(PSL_TYPE_PRIVATE) ? .privateOwner : nil
    }
}

extension DomainPattern {
    /// The public suffix right above the wildcard that stands highest; the root for `*`, `www.*` and the like. Nil for exact names and
    /// wildcards in a zone of one owner.
    ///
    ///     *.co.uk  www.*.com  api*.com   ->  co.uk  com  com           *.example.co.uk  ->  nil
    public var openSuffix: PublicSuffix? { isExact || isUnmatchable ? nil : PublicSuffix(literalSuffix) }
}
