/// Who may change the table.
public enum TableOwnership: String, Sendable, Hashable, CaseIterable {
    /// `NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST`: only the socket that made it, while it is open; the table outlives it. Linux 6.9.
    case ownerPersist
    /// Any root process.
    case none
}
