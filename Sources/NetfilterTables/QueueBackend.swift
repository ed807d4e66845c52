/// How packets get from nftables to NFQUEUE.
public enum QueueBackend: String, Sendable, Hashable, CaseIterable {
    /// The nft expression `queue` (`CONFIG_NFT_QUEUE`).
    case native
    /// The xt target `NFQUEUE` revision 3 through nft_compat (`CONFIG_NFT_COMPAT`, `CONFIG_NETFILTER_XT_TARGET_NFQUEUE`).
    case compat
}
