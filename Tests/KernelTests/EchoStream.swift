import CLinux
import DemoNetwork
import Glibc
import NetworkTypes

/// A TCP connection (or a UDP flow) out of a namespace to an echo server, kept open; IPv4. One user at a time.
final class EchoStream: @unchecked Sendable {
    enum Exchange: Hashable, Sendable {
        case echoed
        /// The connection has ended: 0 by the other side, else with this errno.
        case ended(errno: Int32)
        case timedOut
    }

    private let descriptor: Int32
    private let isDatagram: Bool
    private var last: UInt8 = 0
    /// Datagrams that were sent again because a second had brought no answer.
    private(set) var resent = 0

    /// Connects within two seconds; the socket belongs to `user`, if one is given.
    init(
        in namespace: DemoNetwork.Namespace, to address: IPAddress, port: UInt16, isDatagram: Bool = false, user: uid_t? = nil
    ) throws {
        self.isDatagram = isDatagram
        descriptor = try namespace.withThread {
            // Of this thread alone (setfsuid(2)); files that it opens, sockets among them, belong to that user.
            if let user { exeat_set_file_user(user) }
            let descriptor = socket(AF_INET, (isDatagram ? SocketKind.datagram : SocketKind.stream) | SocketKind.closeOnExec, 0)
            guard descriptor >= 0 else { throw Problem("no socket: errno \(errno)") }
            // connect(2) gives up after the time to send (socket(7)).
            var limit = timeval(tv_sec: 2, tv_usec: 0)
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            var one: Int32 = 1
            unsafe setsockopt(descriptor, Int32(6), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = port.bigEndian
            target.sin_addr.s_addr = address.v4.bigEndian
            let status = unsafe withUnsafePointer(to: &target) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard status == 0 else {
                let code = errno
                close(descriptor)
                throw Problem("no connection to \(address) port \(port): errno \(code)")
            }
            return descriptor
        }
    }

    deinit { close(descriptor) }

    /// Sends these bytes and waits until as many have come back.
    func exchange(saying bytes: [UInt8], timeoutMilliseconds: Int32 = 2_000) -> Bool {
        guard unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return false }
        let watch = Stopwatch()
        var received = 0
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while received < bytes.count {
            let rest = Double(timeoutMilliseconds) - watch.seconds * 1_000
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard rest > 0, unsafe poll(&entry, 1, Int32(rest.rounded(.up))) > 0 else { return false }
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return false }
            received += count
        }
        return true
    }

    /// Sends one byte and waits for it to come back. A datagram is sent again every second, so that one that is lost is no flow that is cut.
    func exchange(timeoutMilliseconds: Int32 = 1_000) -> Exchange {
        last &+= 1
        var byte = last
        guard unsafe send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { return .ended(errno: errno) }
        let watch = Stopwatch()
        while true {
            let rest = Double(timeoutMilliseconds) - watch.seconds * 1_000
            guard rest > 0 else { return .timedOut }
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if unsafe poll(&entry, 1, Int32(min(rest, isDatagram ? 1_000 : rest).rounded(.up))) == 0 {
                guard isDatagram, watch.seconds * 1_000 < Double(timeoutMilliseconds) else { return .timedOut }
                resent += 1
                guard unsafe send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { return .ended(errno: errno) }
                continue
            }
            var reply: UInt8 = 0
            let count = unsafe recv(descriptor, &reply, 1, 0)
            guard count == 1 else { return .ended(errno: count < 0 ? errno : 0) }
            // An earlier byte may have come after its time.
            if reply == last { return .echoed }
        }
    }
}
