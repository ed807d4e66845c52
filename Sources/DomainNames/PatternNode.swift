/// A node of the trie, together with the edge or link that leads to it.
struct PatternNode: BitwiseCopyable {
    /// The next node in the bucket of its edge, or 0: the root is in none. In the list of free nodes: the next one.
    var next: UInt32 = 0
    var hash: UInt32 = 0
    var parent: UInt32 = 0
    var labelStart: UInt32 = 0
    /// The number of the pattern that ends here, plus one; 0 for none.
    var pattern: UInt32 = 0
    /// Index of its `PatternWildcards`, or 0.
    var wildcards: UInt32 = 0
    /// Edges that begin here.
    var edgeCount: UInt32 = 0
    var labelCount: UInt8 = 0
    /// Which field of the parent's wildcards leads here; nil for an edge.
    var link: PatternWildcards.Link?
    /// Of a node within a glob: how long the texts of its edges are, a bit each. One that is gone may keep its bit, for a lookup in vain.
    var lengths: UInt64 = 0

    var isEmpty: Bool { pattern == 0 && wildcards == 0 && edgeCount == 0 }
}
