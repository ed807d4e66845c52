import DemoNetwork
import Glibc
import NetworkTypes
import Synchronization

/// A DNS server that answers whatever it is told to: over UDP any number of datagrams, over TCP one message. One thread inside a
/// namespace of the lab.
final class LyingUpstream: Sendable {
    /// One datagram, or over TCP one message.
    struct Reply: Sendable {
        var bytes: [UInt8]
        /// From another port of the same address than the one that was asked.
        var isFromOtherPort = false
        /// From another address, port 53.
        var isFromOtherAddress = false
        /// To another port than that which asked.
        var isToOtherPort = false
        var delayMilliseconds: UInt32 = 0
    }

    struct Failure: Error, CustomStringConvertible { let description: String }

    static let otherAddress = IPAddress(v4: 0xc000_0262)  // 192.0.2.98

    private let thread: Mutex<NamespaceThread<Void>?>
    private let isStopping = Atomic<Bool>(false)
    private let queries = Atomic<Int>(0)

    /// Queries that came in.
    var queryCount: Int { queries.load(ordering: .relaxed) }

    /// Listens on port 53 when it returns. IPv4 only.
    init(in namespace: DemoNetwork.Namespace, at address: IPAddress, answer: @escaping @Sendable (UpstreamQuestion) -> [Reply]) throws {
        let sockets = try namespace.withThread {
            try [(SOCK_DGRAM, 53, address), (SOCK_STREAM, 53, address), (SOCK_DGRAM, 5_353, address), (SOCK_DGRAM, 53, Self.otherAddress)]
                .map { kind, port, address in try Self.listen(kind, address, UInt16(port)) }
        }
        thread = Mutex(nil)
        let started = try namespace.startThread { [self] in serve(sockets[0], sockets[1], Array(sockets[2...]), answer) }
        thread.withLock { $0 = started }
    }

    func stop() {
        isStopping.store(true, ordering: .relaxed)
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        _ = try? running?.join()
    }

    private static func listen(_ kind: __socket_type, _ address: IPAddress, _ port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(kind.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.v4.bigEndian
        let status = unsafe withUnsafePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, status == 0, kind == SOCK_DGRAM || Glibc.listen(descriptor, 256) == 0 else {
            throw Failure(description: "cannot listen on \(address) port \(port): errno \(errno)")
        }
        return descriptor
    }

    /// `others`: the socket of another port, and that of another address.
    private func serve(_ datagrams: Int32, _ streams: Int32, _ others: [Int32], _ answer: (UpstreamQuestion) -> [Reply]) {
        defer { for descriptor in [datagrams, streams] + others { close(descriptor) } }
        while !isStopping.load(ordering: .relaxed) {
            var entries = [datagrams, streams].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard unsafe poll(&entries, 2, 50) > 0 else { continue }
            if entries[0].revents != 0 { serveDatagram(datagrams, others, answer) }
            if entries[1].revents != 0 { serveConnection(streams, answer) }
        }
    }

    private func serveDatagram(_ descriptor: Int32, _ others: [Int32], _ answer: (UpstreamQuestion) -> [Reply]) {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        var peer = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe recvfrom(descriptor, &buffer, 4_096, 0, $0, &length)
            }
        }
        guard count > 0, let question = UpstreamQuestion(Array(buffer[..<count]), isOverTCP: false) else { return }
        queries.add(1, ordering: .relaxed)
        for reply in answer(question) {
            if reply.delayMilliseconds > 0 { usleep(reply.delayMilliseconds * 1_000) }
            var target = peer
            if reply.isToOtherPort { target.sin_port ^= (1 as UInt16).bigEndian }
            let sender = reply.isFromOtherPort ? others[0] : reply.isFromOtherAddress ? others[1] : descriptor
            unsafe withUnsafePointer(to: &target) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = unsafe sendto(sender, reply.bytes, reply.bytes.count, 0, $0, length)
                }
            }
        }
    }

    /// One query and its reply; a peer that dawdles is hung up on.
    private func serveConnection(_ listener: Int32, _ answer: (UpstreamQuestion) -> [Reply]) {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return }
        defer { close(connection) }
        _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
        var timeout = timeval(tv_sec: 2, tv_usec: 0)
        unsafe setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var input: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while input.count < 2 || input.count < 2 + Int(input[0]) << 8 + Int(input[1]) {
            let count = unsafe recv(connection, &buffer, 4_096, 0)
            guard count > 0 else { return }
            input += buffer[..<count]
        }
        guard let question = UpstreamQuestion(Array(input.dropFirst(2)), isOverTCP: true), let reply = answer(question).first else {
            return
        }
        queries.add(1, ordering: .relaxed)
        let output = WireMessage.number(UInt16(reply.bytes.count)) + reply.bytes
        var sent = 0
        while sent < output.count {
            let rest = Array(output[sent...])
            let count = unsafe send(connection, rest, rest.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return }
            sent += count
        }
        // No further question is taken here; until the other side has read all and closes.
        _ = shutdown(connection, Int32(SHUT_WR))
        _ = unsafe recv(connection, &buffer, 1, 0)
    }
}
