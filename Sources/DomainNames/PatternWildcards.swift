/// The wildcards that begin at a node of the trie; most nodes have none.
struct PatternWildcards: BitwiseCopyable {
    /// Those that end their pattern.
    enum Kind: Int, CaseIterable {
        case oneOrMore, one, oneOrMoreOfHost, noneOrMoreOfHost, noneOrMore
    }

    /// Those behind which a pattern goes on, at a node of their own.
    enum Link: UInt8, CaseIterable {
        /// Labels left of "one or more", read leaf first.
        case leading
        /// Globs of the next label.
        case globsOfHost, globs
    }

    private var patterns = InlineArray<5, UInt32>(repeating: 0)
    private var nodes = InlineArray<3, UInt32>(repeating: 0)
    /// In the list of free records: the next one.
    var nextFree: UInt32 = 0

    /// The pattern's number plus one; 0 for none.
    subscript(kind: Kind) -> UInt32 {
        get { patterns[kind.rawValue] }
        set { patterns[kind.rawValue] = newValue }
    }

    /// The node; 0 for none.
    subscript(link: Link) -> UInt32 {
        get { nodes[Int(link.rawValue)] }
        set { nodes[Int(link.rawValue)] = newValue }
    }

    var isEmpty: Bool { Kind.allCases.allSatisfy { self[$0] == 0 } && Link.allCases.allSatisfy { self[$0] == 0 } }
}
