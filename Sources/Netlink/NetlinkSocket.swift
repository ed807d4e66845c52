import CLinux
import CNetfilter
import Glibc

/// A netlink socket (libmnl), of nfnetlink if nothing else is said: opened here or taken over from whoever kept it open. Closed at the end of its life.
///
/// Only root (`CAP_NET_ADMIN`) may send on such sockets, so messages of other processes are not filtered out.
@safe
public struct NetlinkSocket: ~Copyable {
    /// `NETLINK_ROUTE`: interfaces, addresses, filters (rtnetlink(7)).
    public static let route: Int32 = 0

    private let handle: OpaquePointer
    /// The kernel's name of this socket (`nl_pid`): often, not always, the process id of who opened it.
    public let portID: UInt32

    /// mnl_socket_open2(3) in the network namespace of the calling thread.
    public init(protocol family: Int32 = NETLINK_NETFILTER) throws(NetlinkError) {
        guard let handle = unsafe mnl_socket_open2(family, Int32(SOCK_CLOEXEC.rawValue)) else {
            throw NetlinkError("open a netlink socket", errno: errno)
        }
        guard unsafe mnl_socket_bind(handle, 0, 0) >= 0 else {
            let error = errno
            unsafe mnl_socket_close(handle)
            throw NetlinkError("bind a netlink socket", errno: error)
        }
        unsafe self.handle = unsafe handle
        portID = unsafe mnl_socket_get_portid(handle)
    }

    /// Takes over an open descriptor, whose port id stays what it was (mnl_socket_fdopen(3)). On an error it stays open and the caller's.
    public init(adopting descriptor: Int32) throws(NetlinkError) {
        guard let handle = unsafe mnl_socket_fdopen(descriptor) else {
            throw NetlinkError("adopt netlink socket \(descriptor)", errno: errno)
        }
        unsafe self.handle = unsafe handle
        portID = unsafe mnl_socket_get_portid(handle)
    }

    deinit { unsafe mnl_socket_close(handle) }

    public var descriptor: Int32 { unsafe mnl_socket_get_fd(handle) }

    /// Sets the size of the kernel's buffers in bytes, beyond the system's limit (`SO_RCVBUFFORCE`, `SO_SNDBUFFORCE`: socket(7)).
    public func setBuffers(receive: Int32?, send: Int32?) throws(NetlinkError) {
        if let receive { try setOption(level: SOL_SOCKET, name: SO_RCVBUFFORCE, receive, "SO_RCVBUFFORCE") }
        if let send { try setOption(level: SOL_SOCKET, name: SO_SNDBUFFORCE, send, "SO_SNDBUFFORCE") }
    }

    /// setsockopt(2) with an int.
    public func setOption(level: Int32, name: Int32, _ value: Int32, _ label: String) throws(NetlinkError) {
        var value = value
        guard unsafe setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw NetlinkError("setsockopt \(label)", errno: errno)
        }
    }

    /// Sends whole messages in one call; the kernel has carried them out when it returns.
    public func send(_ bytes: [UInt8], _ operation: String) throws(NetlinkError) {
        while true {
            let count = unsafe bytes.withUnsafeBytes { unsafe mnl_socket_sendto(handle, $0.baseAddress, $0.count) }
            if count == bytes.count { return }
            let error = count < 0 ? errno : EMSGSIZE
            guard error == EINTR else { throw NetlinkError(operation, errno: error) }
        }
    }

    /// Receives one datagram into `buffer`, which must be large enough for it; its size, nil if none is there now.
    public func receive(into buffer: inout [UInt8], _ operation: String) throws(NetlinkError) -> Int? {
        while true {
            let descriptor = descriptor
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_TRUNC))
            }
            if count > buffer.count { throw NetlinkError(operation, errno: EMSGSIZE) }
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            case let error: throw NetlinkError(operation, errno: error)
            }
        }
    }

    /// Sends messages and reads the answers that the kernel has queued meanwhile (it works synchronously). Throws the first error.
    public func transact(_ bytes: [UInt8], _ operation: String) throws(NetlinkError) {
        try send(bytes, operation)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var firstError: Int32 = 0
        while let count = try receive(into: &buffer, operation) {
            let span = buffer.span.extracting(0..<count)
            var offset = 0
            while let message = NetlinkMessage(in: span, at: &offset) {
                if firstError == 0, let error = message.errorNumber(in: span), error != 0 { firstError = error }
            }
        }
        if firstError != 0 { throw NetlinkError(operation, errno: firstError) }
    }

    /// Sends one request and gives each message of the answer to `body`. Throws the error that the kernel answers.
    public func ask(
        _ request: [UInt8], _ operation: String, _ body: (Span<UInt8>, NetlinkMessage) -> Void
    ) throws(NetlinkError) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while try receive(into: &buffer, operation) != nil {}  // what nobody waited for
        try send(request, operation)
        var firstError: Int32 = 0
        // The kernel has answered before send(2) returns.
        while let count = try receive(into: &buffer, operation) {
            let span = buffer.span.extracting(0..<count)
            var offset = 0
            while let message = NetlinkMessage(in: span, at: &offset) {
                if let error = message.errorNumber(in: span) {
                    if firstError == 0 { firstError = error }
                } else {
                    body(span, message)
                }
            }
        }
        if firstError != 0 { throw NetlinkError(operation, errno: firstError) }
    }

    /// Sends a dump request and gives each datagram of the answer to `body`. False if the kernel reports that the table changed
    /// meanwhile (`NLM_F_DUMP_INTR`): the caller starts again if it needs a consistent picture.
    public func dump(
        _ request: [UInt8], _ operation: String, _ body: (Span<UInt8>, NetlinkMessage) throws(NetlinkError) -> Void
    ) throws(NetlinkError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 131_072)
        while try receive(into: &buffer, operation) != nil {}  // left over by a dump that was given up
        try send(request, operation)
        var isConsistent = true
        while true {
            guard let count = try receive(into: &buffer, operation) else {
                // A dump goes on while its answer is read, so an empty queue before the end is rare; wait rather than spin.
                var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard unsafe poll(&polled, 1, 5000) != 0 else { throw NetlinkError(operation, errno: ETIMEDOUT) }
                continue
            }
            let span = buffer.span.extracting(0..<count)
            var offset = 0
            while let message = NetlinkMessage(in: span, at: &offset) {
                if message.flags & NetlinkMessage.dumpInterruptedFlag != 0 { isConsistent = false }
                if let error = message.errorNumber(in: span) {
                    guard error == 0 else { throw NetlinkError(operation, errno: error) }
                    return isConsistent
                }
                if message.type == NetlinkMessage.doneType { return isConsistent }
                try body(span, message)
            }
        }
    }
}
