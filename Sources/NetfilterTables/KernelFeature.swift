/// What the table and the queue want of the kernel.
public enum KernelFeature: String, Sendable, CaseIterable, Hashable {
    case tables = "nf_tables"
    case ownerPersist = "table owner and persist"
    case nativeQueue = "nft queue"
    case compatQueue = "xt NFQUEUE through nft_compat"
    case inetNAT = "nat in inet tables"
    case conntrackLookup = "lookup of ct original saddr . ct mark"
    case conntrackMark = "ct mark written by rules"
    case reject = "reject in inet tables"
    case namedCounters = "named counters"
    case leases = "maps filled by rules"
    case endpointLimits = "limits by address"
    case destructiveSetReplace = "delete and add of a set element in one transaction"
    case cgroups = "cgroup of a socket"
    case sockets = "socket of an incoming packet"
    case announcements = "announcements of changes"
    case systemCallFilter = "filter of system calls"

    /// What is used, or lost, without it.
    public var substitute: String {
        switch self {
        case .tables: "none: nothing can be enforced (CONFIG_NF_TABLES_INET)"
        case .ownerPersist: "a table that any root process can change (Linux 6.9 has it)"
        case .nativeQueue: "the xt target NFQUEUE"
        case .compatQueue: "the nft queue expression"
        case .inetNAT: "none: DNS cannot be intercepted (CONFIG_NFT_NAT, Linux 5.2)"
        case .conntrackLookup, .conntrackMark: "none: nothing can be enforced (CONFIG_NFT_CT, CONFIG_NF_CONNTRACK_MARK, Linux 4.17)"
        case .reject: "none: nothing can be enforced (CONFIG_NFT_REJECT_INET)"
        case .namedCounters: "none (CONFIG_NF_TABLES)"
        case .leases: "no kernel leases: the first packet of every flow is asked about (Linux 5.8)"
        case .endpointLimits: "no limit of the questions of one endpoint (CONFIG_NFT_LIMIT, Linux 4.3)"
        case .destructiveSetReplace: "none: generations cannot be changed"
        case .cgroups: "none: processes are told by user alone; those of exeat.io/cgroup count for the node (CONFIG_NFT_SOCKET, Linux 5.13)"
        case .sockets: "none: answers that nobody waits for are not counted (CONFIG_NFT_SOCKET, Linux 4.18)"
        case .announcements: "a look at the whole table every second; what others change is seen without their name"
        case .systemCallFilter: "none: the daemon's system calls are not confined (CONFIG_SECCOMP_FILTER)"
        }
    }
}
