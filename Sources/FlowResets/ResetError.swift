import Conntrack
import Glibc

/// Why a connection could not be reset.
public enum ResetError: Error, Hashable, Sendable, CustomStringConvertible {
    /// socket(2) of a raw socket, which needs CAP_NET_RAW.
    case noSocket(errno: Int32)
    case notSent(errno: Int32)
    case conntrack(ConntrackError)

    public var description: String {
        switch self {
        case .noSocket(let code): "open a raw socket: errno \(code)"
        case .notSent(let code): "send a reset: errno \(code)"
        case .conntrack(let error): "\(error)"
        }
    }
}
