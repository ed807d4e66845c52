import CLinux
import Glibc
import NetworkTypes
import Synchronization

/// How an attempt to reach a server ended.
enum Attempt: Equatable, Sendable {
    case reached
    /// A TCP reset or an ICMP error.
    case refused(errno: Int32)
    case silent

    var isRefused: Bool { if case .refused = self { true } else { false } }
}

/// A socket address as bytes.
struct Endpoint: Sendable {
    let address: IPAddress
    let port: UInt16

    init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    var family: Int32 { address.family == .v4 ? AF_INET : AF_INET6 }

    func withAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var bytes = [UInt8](repeating: 0, count: address.family == .v4 ? 16 : 28)
        bytes[0] = UInt8(family)
        bytes[2] = UInt8(port >> 8)
        bytes[3] = UInt8(truncatingIfNeeded: port)
        let start = address.family == .v4 ? 4 : 8
        for (index, byte) in address.networkBytes.enumerated() { bytes[start + index] = byte }
        return unsafe bytes.withUnsafeBytes { unsafe body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) }
    }
}

/// A connected TCP or UDP socket.
final class Client: Sendable {
    let descriptor: Int32
    let isTCP: Bool

    private init(descriptor: Int32, isTCP: Bool) {
        self.descriptor = descriptor
        self.isTCP = isTCP
    }

    deinit { close(descriptor) }

    /// Connects within the time; the attempt and the milliseconds it took.
    static func connect(_ server: Endpoint, timeout: Double = 0.7, mark: UInt32 = 0) -> (Client?, Attempt, Double) {
        let started = milliseconds()
        let descriptor = socket(
            server.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if mark != 0 {
            var value = mark
            _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_MARK, &value, 4)
        }
        let result = unsafe server.withAddress { unsafe Glibc.connect(descriptor, $0, $1) }
        var error = result == 0 ? 0 : errno
        if error == EINPROGRESS {
            var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if unsafe poll(&polled, 1, Int32(timeout * 1000)) == 0 {
                close(descriptor)
                return (nil, .silent, milliseconds() - started)
            }
            var length = socklen_t(4)
            _ = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
        }
        let took = milliseconds() - started
        guard error == 0 else {
            close(descriptor)
            return (nil, .refused(errno: error), took)
        }
        _ = exeat_set_nonblocking(descriptor, 0)
        return (Client(descriptor: descriptor, isTCP: true), .reached, took)
    }

    /// Sends data with the SYN (TCP Fast Open without a cookie, as `net.ipv4.tcp_fastopen` allows) and closes; how many bytes were taken.
    static func sendOpening(_ server: Endpoint, _ bytes: [UInt8]) -> Int {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(server.family, kind, 0)
        defer { close(descriptor) }
        return unsafe server.withAddress { unsafe sendto(descriptor, bytes, bytes.count, Int32(MSG_FASTOPEN), $0, $1) }
    }

    static func udp(_ server: Endpoint, source: Endpoint? = nil) -> Client {
        let descriptor = socket(server.family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if let source { _ = unsafe source.withAddress { unsafe bind(descriptor, $0, $1) } }
        _ = unsafe server.withAddress { unsafe Glibc.connect(descriptor, $0, $1) }
        return Client(descriptor: descriptor, isTCP: false)
    }

    /// A socket that takes datagrams from anyone.
    static func udp(boundTo own: Endpoint) throws -> Client {
        let descriptor = socket(own.family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let bound = unsafe own.withAddress { unsafe bind(descriptor, $0, $1) }
        guard bound == 0 else { throw HarnessError("bind \(own): errno \(errno)") }
        return Client(descriptor: descriptor, isTCP: false)
    }

    /// Sends text and waits for the same text to come back.
    func echo(_ text: String = "ping", timeout: Double = 0.7) -> Attempt {
        let bytes = Array(text.utf8)
        guard send(bytes) else { return .refused(errno: errno) }
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&polled, 1, Int32(timeout * 1000)) > 0 else { return .silent }
        var buffer = [UInt8](repeating: 0, count: 2048)
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        if count < 0 { return .refused(errno: errno) }
        return count > 0 ? .reached : .refused(errno: ECONNRESET)
    }

    /// Whether a datagram arrives within the time; an error that came before is not looked at.
    func receives(milliseconds timeout: Int32 = 700) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 2048)
        let end = milliseconds() + Double(timeout)
        while milliseconds() < end {
            var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&polled, 1, Int32(max(1, end - milliseconds()))) > 0 else { return false }
            if unsafe recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 { return true }
        }
        return false
    }

    func send(_ bytes: [UInt8]) -> Bool {
        unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }
}

/// Echo servers on TCP and UDP at some addresses of a namespace, on a thread of their own.
final class EchoServer: Sendable {
    private let isStopped = Mutex(false)
    private let isReady = Mutex(false)
    private let task = Mutex<NamespaceTask<Void>?>(nil)

    init(_ namespace: String, _ endpoints: [Endpoint]) throws {
        let made = NamespaceTask<Void>(namespace) { [self] in
            var descriptors: [(Int32, Kind)] = []
            for endpoint in endpoints {
                for kind in [Kind.listener, .datagram] {
                    let type = kind == .listener ? SOCK_STREAM : SOCK_DGRAM
                    let descriptor = socket(
                        endpoint.family, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
                    var on: Int32 = 1
                    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, 4)
                    let bound = unsafe endpoint.withAddress { unsafe bind(descriptor, $0, $1) }
                    if bound != 0 { throw HarnessError("bind \(endpoint): errno \(errno)") }
                    if kind == .listener { listen(descriptor, 64) }
                    descriptors.append((descriptor, kind))
                }
            }
            isReady.withLock { $0 = true }
            run(&descriptors)
            for (descriptor, _) in descriptors { close(descriptor) }
        }
        task.withLock { $0 = made }
        if !waitUntil({ isReady.withLock { $0 } }) { try made.join() }
    }

    private enum Kind { case listener, datagram, stream }

    private func run(_ descriptors: inout [(Int32, Kind)]) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !isStopped.withLock({ $0 }) {
            var polled = descriptors.map { pollfd(fd: $0.0, events: Int16(POLLIN), revents: 0) }
            guard unsafe poll(&polled, nfds_t(polled.count), 20) > 0 else { continue }
            for (index, entry) in polled.enumerated().reversed() where entry.revents != 0 {
                switch descriptors[index].1 {
                case .listener:
                    let accepted = accept(entry.fd, nil, nil)
                    if accepted >= 0 { descriptors.append((accepted, .stream)) }
                case .datagram:
                    var peer = sockaddr_storage()
                    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                    unsafe withUnsafeMutablePointer(to: &peer) { pointer in
                        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                            let count = unsafe recvfrom(entry.fd, &buffer, buffer.count, 0, address, &length)
                            if count >= 0 { _ = unsafe sendto(entry.fd, buffer, count, 0, address, length) }
                        }
                    }
                case .stream:
                    let count = unsafe recv(entry.fd, &buffer, buffer.count, 0)
                    if count <= 0 {
                        close(entry.fd)
                        descriptors.remove(at: index)
                    } else {
                        _ = unsafe send(entry.fd, buffer, count, Int32(MSG_NOSIGNAL))
                    }
                }
            }
        }
    }

    func stop() {
        isStopped.withLock { $0 = true }
        try? task.withLock({ $0 })?.join()
    }

    deinit { isStopped.withLock { $0 = true } }
}
