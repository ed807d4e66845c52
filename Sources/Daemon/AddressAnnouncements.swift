import CLinux
import Dispatch
import Glibc

/// Tells that addresses of this network namespace have come or gone (RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR: rtnetlink(7)), so that no process
/// sends from a new one for long before it is known. What changed is not read from them.
final class AddressAnnouncements {
    private let source: any DispatchSourceRead

    /// Calls `body` on `queue` after each burst, also after announcements that were lost for want of room.
    init(on queue: DispatchQueue, _ body: @escaping @Sendable () -> Void) throws(DaemonError) {
        // NETLINK_ROUTE is 0.
        let descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw DaemonError("cannot open an rtnetlink socket", code: errno) }
        // `struct sockaddr_nl`: family, padding, port id, groups.
        var address: (UInt16, UInt16, UInt32, UInt32) = (UInt16(AF_NETLINK), 0, 0, 0x10 | 0x100)
        let isBound = unsafe withUnsafeBytes(of: &address) { raw in
            unsafe bind(descriptor, raw.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count)) == 0
        }
        guard isBound else {
            let error = errno
            close(descriptor)
            throw DaemonError("cannot bind an rtnetlink socket", code: error)
        }
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        source.setEventHandler {
            var buffer = [UInt8](repeating: 0, count: 8_192)
            // ENOBUFS is told once, and what follows can be read.
            while unsafe recv(descriptor, &buffer, buffer.count, 0) >= 0 || errno == ENOBUFS || errno == EINTR {}
            body()
        }
        source.setCancelHandler { close(descriptor) }
        source.resume()
    }

    func cancel() { source.cancel() }
}
