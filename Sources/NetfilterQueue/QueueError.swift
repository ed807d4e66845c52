import Netlink

/// Why a queue could not be opened or served.
public enum QueueError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Another socket holds the queue; `holders` are the processes that have it open, as far as they can be seen.
    case heldByOther(queue: UInt16, portID: UInt32, holders: [NetlinkPeer])
    case failed(NetlinkError)

    public var description: String {
        switch self {
        case .heldByOther(let queue, let portID, let holders):
            "queue \(queue) is held by "
                + (holders.isEmpty
                    ? "another netlink socket, port \(portID) (often the process id)"
                    : holders.map(\.description).joined(separator: " and "))
                + ": stop it or choose other queue numbers (queues.first)"
        case .failed(let error): "\(error)"
        }
    }
}
