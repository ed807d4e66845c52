/// A chain of the table: a base chain if it has a hook.
struct Chain: Sendable, Hashable {
    let name: String
    var hook: Hook?

    struct Hook: Sendable, Hashable {
        /// "filter" or "nat".
        let type: String
        /// `NF_INET_PRE_ROUTING` and so on.
        let number: UInt32
        let priority: Int32
    }
}
