import DemoNetwork
import Glibc
import NetworkTypes

/// Two connections of TCP, one after the other, out of the same port of a pod to a server of the test, which resets the first when it has read something.
/// Connection tracking may take both for one flow.
struct ReusedPort {
    private let pod: DemoNetwork.Namespace
    private let server: DemoNetwork.Namespace
    private let address: IPAddress
    private let port: UInt16
    private let sourcePort: UInt16

    init(in pod: DemoNetwork.Namespace, to address: IPAddress, in server: DemoNetwork.Namespace, port: UInt16, from sourcePort: UInt16) {
        self.pod = pod
        self.server = server
        self.address = address
        self.port = port
        self.sourcePort = sourcePort
    }

    /// What the server read of each; empty if nothing came within `milliseconds`.
    func exchange(_ first: [UInt8], then second: [UInt8], milliseconds: Int32 = 4_000) throws -> [[UInt8]] {
        let (address, port, sourcePort) = (address, port, sourcePort)
        let isListening = StopFlag()
        let reader = try server.startThread { () throws -> [[UInt8]] in
            let listener = try Self.bound(to: address, port)
            defer { close(listener) }
            guard listen(listener, 4) == 0 else { throw Problem("listen: errno \(errno)") }
            isListening.set()
            return [Self.read(listener, milliseconds), Self.read(listener, milliseconds)]
        }
        while !isListening.isSet { usleep(1_000) }
        try pod.withThread {
            for bytes in [first, second] {
                let descriptor = try Self.bound(to: nil, sourcePort)
                defer { close(descriptor) }
                var limit = timeval(tv_sec: Int(milliseconds / 1_000), tv_usec: 0)
                unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                var target = Self.name(address, port)
                let status = unsafe withUnsafePointer(to: &target) {
                    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                guard status == 0 else { continue }
                unsafe send(descriptor, bytes, bytes.count, 0x4000)  // MSG_NOSIGNAL
                // Until the other side has ended the connection.
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                unsafe poll(&entry, 1, milliseconds)
            }
        }
        return try reader.join()
    }

    /// Takes a connection, reads from it once and resets it.
    private static func read(_ listener: Int32, _ milliseconds: Int32) -> [UInt8] {
        var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&entry, 1, milliseconds) > 0 else { return [] }
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var abort = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        var data = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&data, 1, milliseconds) > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer[..<count]) : []
    }

    private static func bound(to address: IPAddress?, _ port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, SocketKind.stream | SocketKind.closeOnExec, 0)
        guard descriptor >= 0 else { throw Problem("no socket: errno \(errno)") }
        var one: Int32 = 1
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var own = name(address, port)
        let status = unsafe withUnsafePointer(to: &own) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            let code = errno
            close(descriptor)
            throw Problem("bind to port \(port): errno \(code)")
        }
        return descriptor
    }

    private static func name(_ address: IPAddress?, _ port: UInt16) -> sockaddr_in {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address?.v4.bigEndian ?? 0
        return name
    }
}
