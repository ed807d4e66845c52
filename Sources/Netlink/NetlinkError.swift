import Glibc

/// A netlink call that failed: which, and the errno of the system call or of the kernel's `NLMSG_ERROR` (netlink(7)).
public struct NetlinkError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was tried, in the words of the caller: "bind queue 100".
    public let operation: String
    public let errno: Int32

    public init(_ operation: String, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }

    public var description: String {
        guard let text = unsafe strerror(errno) else { return "\(operation): errno \(errno)" }
        return unsafe "\(operation): \(String(cString: text)) (errno \(errno))"
    }
}
