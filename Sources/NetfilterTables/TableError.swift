import Netlink

/// Why the table could not be read or changed.
public enum TableError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A configuration that no table can be made from.
    case badConfiguration(String)
    /// `apply` before `install`.
    case notInstalled
    /// Another process owns the table (`NFT_TABLE_F_OWNER`) and is alive, or its socket is held open.
    case ownedByOther(portID: UInt32)
    /// The kernel refused the transaction; nothing of it was done. ENOENT often means a feature that this kernel lacks.
    case refused(NetlinkError)

    public var description: String {
        switch self {
        case .badConfiguration(let reason): "table configuration: \(reason)"
        case .notInstalled: "the table is not installed by this socket"
        case .ownedByOther(let portID):
            "the table is owned by another netlink socket, port \(portID) (often the process id): stop that process or take its socket over"
        case .refused(let error): "\(error)"
        }
    }
}
