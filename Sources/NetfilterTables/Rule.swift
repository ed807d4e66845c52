/// A rule of a chain: instructions, and the comment that `nft list ruleset` shows.
struct Rule: Sendable, Hashable {
    let chain: String
    let expressions: [Expression]
    let comment: String?
}
