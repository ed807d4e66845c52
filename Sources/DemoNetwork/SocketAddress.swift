import Glibc
import NetworkTypes

/// Calls `body` with the kernel's form of an address and port (`sockaddr_in`, `sockaddr_in6`).
func withSocketAddress<R>(_ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    var storage = sockaddr_storage()
    let length: Int
    switch address.family {
    case .v4:
        var value = sockaddr_in()
        value.sin_family = sa_family_t(AF_INET)
        value.sin_port = port.bigEndian
        value.sin_addr.s_addr = address.v4.bigEndian
        length = MemoryLayout<sockaddr_in>.size
        unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: value, as: sockaddr_in.self) }
    case .v6:
        var value = sockaddr_in6()
        value.sin6_family = sa_family_t(AF_INET6)
        value.sin6_port = port.bigEndian
        unsafe withUnsafeMutableBytes(of: &value.sin6_addr) { unsafe $0.copyBytes(from: address.networkBytes) }
        length = MemoryLayout<sockaddr_in6>.size
        unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: value, as: sockaddr_in6.self) }
    }
    return unsafe withUnsafePointer(to: &storage) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, socklen_t(length)) }
    }
}

/// A socket, closed at the end of its life.
struct Socket: ~Copyable {
    let descriptor: Int32

    /// `kind` is `SOCK_STREAM` or `SOCK_DGRAM`. Close-on-exec, non-blocking.
    init(_ family: IPFamily, _ kind: __socket_type) throws(LabError) {
        descriptor = socket(
            family == .v4 ? AF_INET : AF_INET6,
            Int32(kind.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw .system(call: "socket", errno: errno) }
    }

    init(adopting descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    func connect(to address: IPAddress, _ port: UInt16) -> Int32 {
        unsafe withSocketAddress(address, port) { unsafe Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno }
    }

    func bind(to address: IPAddress, _ port: UInt16) throws(LabError) {
        var one: Int32 = 1
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        let error = unsafe withSocketAddress(address, port) { unsafe Glibc.bind(descriptor, $0, $1) == 0 ? 0 : errno }
        guard error == 0 else { throw .system(call: "bind \(address) port \(port)", errno: error) }
    }

    /// Waits for `events` (poll(2)); what came, 0 when the time was over.
    func wait(for events: Int32, milliseconds: Double) -> Int32 {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        let deadline = monotonicMilliseconds() + milliseconds
        while true {
            let rest = deadline - monotonicMilliseconds()
            let ready = unsafe Glibc.poll(&entry, 1, Int32(max(rest.rounded(.up), 0)))
            if ready > 0 { return Int32(entry.revents) }
            if ready == 0 || errno != EINTR { return 0 }
        }
    }

    /// The pending error of the socket (`SO_ERROR`), taken off it.
    func takeError() -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length)
        return value
    }

    func send(_ bytes: [UInt8]) -> Int {
        unsafe bytes.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Up to `capacity` bytes; nil on an error, which errno names.
    func receive(capacity: Int) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: capacity)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { return nil }
        return Array(buffer[..<count])
    }
}
