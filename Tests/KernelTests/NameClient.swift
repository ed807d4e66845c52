import DemoNetwork
import Glibc
import NetworkTypes

/// Asks a DNS server over IPv4, one question after the other; for a thread in a namespace.
struct NameClient: ~Copyable {
    private let server: IPAddress
    private let socket: Int32

    init(server: IPAddress) throws {
        self.server = server
        socket = try Self.connected(SocketKind.datagram, server)
    }

    deinit { close(socket) }

    /// The reply to a query over UDP; a second try after a silence.
    func ask(_ query: [UInt8]) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        for _ in 0..<2 {
            guard unsafe Glibc.send(socket, query, query.count, Int32(MSG_NOSIGNAL)) == query.count else { continue }
            while true {
                let count = unsafe recv(socket, &buffer, buffer.count, 0)
                guard count >= 12 else { break }
                // A late reply to an earlier question is passed over.
                if buffer[0] == query[0], buffer[1] == query[1] { return Array(buffer[..<count]) }
            }
        }
        return nil
    }

    /// Sends a query over UDP and does not wait.
    func send(_ query: [UInt8]) { unsafe Glibc.send(socket, query, query.count, Int32(MSG_NOSIGNAL)) }

    /// A reply over UDP that is there already.
    func received() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 2_048)
        let count = unsafe recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count >= 12 ? Array(buffer[..<count]) : nil
    }

    /// The reply over a TCP connection of its own.
    func askOverTCP(_ query: [UInt8]) -> [UInt8]? {
        guard let stream = try? Self.connected(SocketKind.stream, server) else { return nil }
        defer { close(stream) }
        let message = [UInt8(query.count >> 8), UInt8(query.count & 0xff)] + query
        guard unsafe Glibc.send(stream, message, message.count, Int32(MSG_NOSIGNAL)) == message.count, let head = Self.read(stream, 2)
        else {
            return nil
        }
        return Self.read(stream, Int(head[0]) << 8 | Int(head[1]))
    }

    private static func read(_ stream: Int32, _ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < count {
            let received = unsafe recv(stream, &buffer, count - bytes.count, 0)
            guard received > 0 else { return nil }
            bytes += buffer[..<received]
        }
        return bytes
    }

    private static func connected(_ kind: Int32, _ server: IPAddress) throws -> Int32 {
        let descriptor = Glibc.socket(AF_INET, kind | SocketKind.closeOnExec, 0)
        guard descriptor >= 0 else { throw Problem("no socket: errno \(errno)") }
        var patience = timeval(tv_sec: 8, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        // Room for many answers at once; the number is SO_RCVBUFFORCE.
        var room: Int32 = 8 << 20
        unsafe setsockopt(descriptor, SOL_SOCKET, 33, &room, socklen_t(MemoryLayout<Int32>.size))
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = (53 as UInt16).bigEndian
        target.sin_addr.s_addr = server.v4.bigEndian
        let status = unsafe withUnsafePointer(to: &target) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            let code = errno
            close(descriptor)
            throw Problem("no connection to \(server): errno \(code)")
        }
        return descriptor
    }
}
