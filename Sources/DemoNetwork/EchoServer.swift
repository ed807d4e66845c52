import Glibc
import NetworkTypes
import Synchronization

/// Sends back what it receives, over UDP and TCP, from the address that was asked; one thread of this process inside a namespace.
/// It counts, so that a test can say what reached the far side.
public final class EchoServer: Sendable {
    /// What has arrived since the start.
    public struct Counts: Sendable, Hashable {
        public var datagrams = 0
        public var connections = 0
        public var streamBytes = 0
    }

    private let counted = Mutex(Counts())
    /// Its read end ends once `stop()` was called.
    private let stopSignal: Mutex<Int32>
    private let thread: Mutex<NamespaceThread<Void>?>
    /// More connections than this wait in the backlog.
    private static let connectionsMax = 4096

    public var counts: Counts { counted.withLock { $0 } }

    /// Listens when it returns. The addresses must be of that namespace.
    public init(namespace: DemoNetwork.Namespace, addresses: [IPAddress], port: UInt16) throws {
        let listeners = try namespace.withThread { () throws -> [[Int32]] in
            var made: [[Int32]] = [[], []]
            do {
                for address in addresses {
                    for (index, kind) in [SOCK_DGRAM, SOCK_STREAM].enumerated() {
                        let socket = try Socket(address.family, kind)
                        try socket.bind(to: address, port)
                        if kind == SOCK_STREAM, listen(socket.descriptor, 1024) != 0 {
                            throw LabError.system(call: "listen", errno: errno)
                        }
                        // The loop owns a copy; this one closes with its scope.
                        made[index].append(fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0))
                    }
                }
            } catch {
                for descriptor in made.joined() { close(descriptor) }
                throw error
            }
            return made
        }
        var pipe = try Pipe(sealed: ())
        let stopDescriptor = fcntl(pipe.readEnd, F_DUPFD_CLOEXEC, 0)
        stopSignal = Mutex(pipe.takeWriteEnd())
        thread = Mutex(nil)
        // The thread keeps this object alive until `stop()`.
        let started = try namespace.startThread { [self] in
            serve(datagrams: listeners[0], streams: listeners[1], until: stopDescriptor)
        }
        thread.withLock { $0 = started }
    }

    /// Closes all sockets; established connections get a reset or an end.
    public func stop() {
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let running else { return }
        stopSignal.withLock { descriptor in
            close(descriptor)
            descriptor = -1
        }
        _ = try? running.join()
    }

    private func serve(datagrams: [Int32], streams: [Int32], until stopDescriptor: Int32) {
        /// Connection -> bytes that could not be sent yet.
        var pending: [Int32: [UInt8]] = [:]
        var buffer = [UInt8](repeating: 0, count: 65536)
        defer { for descriptor in datagrams + streams + pending.keys + [stopDescriptor] { close(descriptor) } }

        while true {
            var entries = [pollfd(fd: stopDescriptor, events: Int16(POLLIN), revents: 0)]
            entries += datagrams.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            if pending.count < Self.connectionsMax { entries += streams.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) } }
            entries += pending.map { pollfd(fd: $0.key, events: Int16($0.value.isEmpty ? POLLIN : POLLOUT), revents: 0) }
            guard unsafe poll(&entries, nfds_t(entries.count), -1) > 0 || errno == EINTR else { return }
            if entries[0].revents != 0 { return }
            for entry in entries.dropFirst() where entry.revents != 0 {
                if datagrams.contains(entry.fd) {
                    echoDatagrams(entry.fd, &buffer)
                } else if streams.contains(entry.fd) {
                    let connection = accept(entry.fd, nil, nil)
                    guard connection >= 0 else { continue }
                    _ = fcntl(connection, F_SETFL, O_NONBLOCK)
                    _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
                    pending[connection] = []
                    counted.withLock { $0.connections += 1 }
                } else if !echoStream(entry.fd, &pending[entry.fd, default: []], &buffer) {
                    pending[entry.fd] = nil
                    close(entry.fd)
                }
            }
        }
    }

    private func echoDatagrams(_ descriptor: Int32, _ buffer: inout [UInt8]) {
        var peer = sockaddr_storage()
        for _ in 0..<64 {
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let isDone = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe withUnsafeMutablePointer(to: &peer) {
                    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                        let count = unsafe recvfrom(descriptor, bytes.baseAddress, bytes.count, 0, peer, &length)
                        guard count >= 0 else { return true }
                        counted.withLock { $0.datagrams += 1 }
                        unsafe sendto(descriptor, bytes.baseAddress, count, 0, peer, length)
                        return false
                    }
                }
            }
            if isDone { return }
        }
    }

    /// False when the connection is over.
    private func echoStream(_ descriptor: Int32, _ pending: inout [UInt8], _ buffer: inout [UInt8]) -> Bool {
        if pending.isEmpty {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0, errno == EAGAIN { return true }
            guard count > 0 else { return false }
            counted.withLock { $0.streamBytes += count }
            pending = Array(buffer[..<count])
        }
        let sent = unsafe pending.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if sent < 0 { return errno == EAGAIN }
        pending.removeFirst(sent)
        return true
    }
}
