import DemoNetwork
import Glibc
import NetworkTypes
import Synchronization

/// Waits for one client and then only sends to it, eight bytes at a time, whatever comes back; IPv4.
final class PushServer: Sendable {
    struct Record: Sendable {
        /// Sends that the socket took.
        var pushes = 0
        /// How the connection failed; nil: it did not, or there is none.
        var failure: Int32?
    }

    private let flag = StopFlag()
    private let box = PushBox()
    private let thread: NamespaceThread<Void>

    init(
        in namespace: DemoNetwork.Namespace, _ address: IPAddress, port: UInt16, isDatagram: Bool, every seconds: Double
    ) throws {
        let flag = flag
        let ready = StopFlag()
        let box = box
        thread = try namespace.startThread {
            let descriptor = socket(AF_INET, (isDatagram ? SocketKind.datagram : SocketKind.stream) | SocketKind.closeOnExec, 0)
            guard descriptor >= 0 else { throw Problem("no socket: errno \(errno)") }
            defer { close(descriptor) }
            var one: Int32 = 1
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
            var own = sockaddr_in()
            own.sin_family = sa_family_t(AF_INET)
            own.sin_port = port.bigEndian
            own.sin_addr.s_addr = address.v4.bigEndian
            let length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let status = unsafe withUnsafePointer(to: &own) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
            }
            guard status == 0 else { throw Problem("no port \(port) at \(address): errno \(errno)") }
            if !isDatagram { listen(descriptor, 1) }
            ready.set()
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            while unsafe poll(&entry, 1, 50) == 0 { if flag.isSet { return } }

            var peer = sockaddr_in()
            var peerLength = length
            var connection: Int32 = -1
            unsafe withUnsafeMutablePointer(to: &peer) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    var byte: UInt8 = 0
                    if isDatagram {
                        _ = unsafe recvfrom(descriptor, &byte, 1, 0, address, &peerLength)
                    } else {
                        connection = unsafe accept(descriptor, address, &peerLength)
                    }
                }
            }
            defer { if connection >= 0 { close(connection) } }
            unsafe setsockopt(connection, Int32(6), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
            let payload = [UInt8](repeating: 7, count: 8)
            while !flag.isSet {
                usleep(UInt32(seconds * 1_000_000))
                if box.isPaused.withLock({ $0 }) { continue }
                var count = -1
                if isDatagram {
                    count = unsafe withUnsafePointer(to: &peer) {
                        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                            unsafe sendto(descriptor, payload, payload.count, 0, $0, length)
                        }
                    }
                } else {
                    count = unsafe send(connection, payload, payload.count, 0x4000 | 0x40)  // MSG_NOSIGNAL, MSG_DONTWAIT
                }
                let code = errno
                if count > 0 {
                    box.record.withLock { $0.pushes += 1 }
                } else if !isDatagram, code != EAGAIN {
                    box.record.withLock { $0.failure = code }
                    return
                }
            }
        }
        try Stopwatch.wait("the server listens") { ready.isSet }
    }

    var record: Record { box.record.withLock { $0 } }

    func pause(_ isPaused: Bool) { box.isPaused.withLock { $0 = isPaused } }

    func stop() throws {
        flag.set()
        try thread.join()
    }
}

/// What a `PushServer` and its thread share.
private final class PushBox: Sendable {
    let record = Mutex(PushServer.Record())
    let isPaused = Mutex(false)
}
