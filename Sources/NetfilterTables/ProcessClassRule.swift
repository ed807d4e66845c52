/// How the kernel tells the processes of a class, and where it brings their DNS.
public struct ProcessClassRule: Hashable, Sendable {
    /// Whose the socket is that sends.
    public enum Owner: Hashable, Sendable {
        case users(ClosedRange<UInt32>)
        /// The id of the cgroup (its inode), and how deep it lies below the root: 1 is a child of it.
        case cgroup(UInt64, level: UInt32)
    }

    /// 1...14.
    public let number: UInt8
    public let owner: Owner
    /// Port of the DNS interceptor that names the class; nil: its queries are not brought there.
    public let dnsPort: UInt16?

    public init(number: UInt8, owner: Owner, dnsPort: UInt16?) {
        self.number = number
        self.owner = owner
        self.dnsPort = dnsPort
    }

    public var isCgroup: Bool {
        if case .cgroup = owner { return true }
        return false
    }
}
