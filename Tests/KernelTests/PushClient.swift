import DemoNetwork
import Glibc
import NetworkTypes
import Synchronization

/// Begins a flow to a `PushServer` and from then on only counts what comes; IPv4.
final class PushClient: Sendable {
    struct Record: Sendable {
        var bytes = 0
        /// How the connection ended: 0 by the other side, else with this errno; nil: it did not.
        var end: Int32?
    }

    private let flag = StopFlag()
    private let record: SharedRecord
    private let thread: NamespaceThread<Void>

    private final class SharedRecord: Sendable {
        let value = Mutex(Record())
    }

    init(in pod: DemoNetwork.Pod, to address: IPAddress, port: UInt16, isDatagram: Bool) throws {
        let flag = flag
        let record = SharedRecord()
        self.record = record
        thread = try pod.namespace.startThread {
            let descriptor = socket(AF_INET, (isDatagram ? SocketKind.datagram : SocketKind.stream) | SocketKind.closeOnExec, 0)
            guard descriptor >= 0 else { throw Problem("no socket: errno \(errno)") }
            defer { close(descriptor) }
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = port.bigEndian
            target.sin_addr.s_addr = address.v4.bigEndian
            let status = unsafe withUnsafePointer(to: &target) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard status == 0 else { throw Problem("no connection to \(address): errno \(errno)") }
            var byte: UInt8 = 1
            if isDatagram { _ = unsafe send(descriptor, &byte, 1, 0) }
            var buffer = [UInt8](repeating: 0, count: 4_096)
            while !flag.isSet {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard unsafe poll(&entry, 1, 50) > 0 else { continue }
                let count = unsafe recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                let code = errno
                if count > 0 {
                    record.value.withLock { $0.bytes += count }
                } else if !isDatagram, count == 0 || code != EAGAIN {
                    record.value.withLock { $0.end = count == 0 ? 0 : code }
                    return
                }
            }
        }
    }

    var state: Record { record.value.withLock { $0 } }

    func stop() throws {
        flag.set()
        try thread.join()
    }
}
