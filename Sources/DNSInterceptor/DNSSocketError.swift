import Glibc

/// A socket call that failed: which one, and its `errno`.
public struct DNSSocketError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The system call, as in its manual page.
    public enum Call: String, Sendable {
        case socket, bind, listen, connect, setsockopt, getsockname, eventfd
        case epollCreate = "epoll_create1"
        case epollControl = "epoll_ctl"
    }

    public let call: Call
    /// The value of `errno` after the call.
    public let code: Int32

    public init(_ call: Call, code: Int32) {
        self.call = call
        self.code = code
    }

    public var description: String {
        unsafe "\(call.rawValue): \(String(cString: strerror(code)))"
    }
}
