import DemoNetwork
import Glibc
import NetworkTypes

/// A UDP socket out of a namespace, connected to an echo server; IPv4. One user at a time.
final class DatagramClient: @unchecked Sendable {
    private let descriptor: Int32

    init(in namespace: DemoNetwork.Namespace, to address: IPAddress, port: UInt16) throws {
        descriptor = try namespace.withThread {
            let descriptor = socket(AF_INET, SocketKind.datagram | SocketKind.closeOnExec, 0)
            guard descriptor >= 0 else { throw Problem("no socket: errno \(errno)") }
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
                throw Problem("no UDP socket to \(address): errno \(code)")
            }
            return descriptor
        }
    }

    deinit { close(descriptor) }

    /// Sends one datagram. An error of an earlier one (ICMP) is passed over.
    func send(_ bytes: [UInt8]) {
        for _ in 0..<2 where unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count { return }
    }

    /// Sends several datagrams of this size (the last may be shorter) at once, as one packet until the network's edge (`UDP_SEGMENT`, udp(7)).
    func send(_ bytes: [UInt8], segmentBytes: Int) {
        setSegment(Int32(segmentBytes))
        send(bytes)
        setSegment(0)
    }

    private func setSegment(_ bytes: Int32) {
        var bytes = bytes
        unsafe setsockopt(descriptor, Int32(IPPROTO_UDP), 103, &bytes, socklen_t(MemoryLayout<Int32>.size))
    }

    /// How many datagrams come back until there is silence.
    func answers(quietMilliseconds: Int32 = 300) -> Int {
        var count = 0
        var buffer = [UInt8](repeating: 0, count: 2_048)
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&entry, 1, quietMilliseconds) > 0 else { return count }
            if unsafe recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 { count += 1 }
        }
    }

    /// The next datagrams that come back, as many as these; fewer after three seconds of silence.
    func replies(_ count: Int) -> [[UInt8]] {
        var replies: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 2_048)
        while replies.count < count {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&entry, 1, 3_000) > 0 else { break }
            let length = unsafe recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if length > 0 { replies.append(Array(buffer[..<length])) }
        }
        return replies
    }

    /// Whether a datagram comes back.
    func isEchoed(_ bytes: [UInt8]) -> Bool {
        send(bytes)
        return answers() > 0
    }
}
