import Netlink

/// Why the connection tracking table could not be read or changed.
public enum ConntrackError: Error, Hashable, Sendable, CustomStringConvertible {
    case failed(NetlinkError)
    /// Entries kept coming while they were deleted.
    case neverEmpty(passes: Int)

    public var description: String {
        switch self {
        case .failed(let error): "\(error)"
        case .neverEmpty(let passes): "conntrack entries kept coming during \(passes) passes of deleting them"
        }
    }
}
