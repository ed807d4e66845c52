import Netlink

/// Why a queue could not be opened or served.
public enum QueueError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Another socket holds the queue.
    case heldByOther(queue: UInt16, portID: UInt32?)
    case failed(NetlinkError)

    public var description: String {
        switch self {
        case .heldByOther(let queue, let portID?):
            "queue \(queue) is held by another netlink socket, port \(portID) (often the process id; see /proc/net/netfilter/nfnetlink_queue, "
                + "second column): stop that process or choose other queue numbers"
        case .heldByOther(let queue, nil): "queue \(queue) is held by another netlink socket"
        case .failed(let error): "\(error)"
        }
    }
}
