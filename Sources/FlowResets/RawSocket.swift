import Glibc
import NetworkTypes

/// Sends whole IP packets (raw(7), `IPPROTO_RAW`) in the network namespace in which it was opened. They pass the output hooks like any
/// packet of this node. Nothing is received.
struct RawSocket: ~Copyable {
    private let descriptor: Int32
    private let family: IPFamily

    init(_ family: IPFamily) throws(ResetError) {
        descriptor = socket(
            family == .v4 ? AF_INET : AF_INET6, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 255)
        guard descriptor >= 0 else { throw .noSocket(errno: errno) }
        self.family = family
    }

    deinit { close(descriptor) }

    /// Sends a packet with its IP header; `route` says where to, whatever destination the header bears.
    func send(_ packet: [UInt8], to route: IPAddress) throws(ResetError) {
        // struct sockaddr_in and sockaddr_in6; the port must be 0.
        var address = [UInt8](repeating: 0, count: family == .v4 ? 16 : 28)
        let number = UInt16(family == .v4 ? AF_INET : AF_INET6).littleEndian
        address[0] = UInt8(truncatingIfNeeded: number)
        address[1] = UInt8(truncatingIfNeeded: number >> 8)
        let start = family == .v4 ? 4 : 8
        for (index, byte) in route.networkBytes.enumerated() { address[start + index] = byte }
        let count = unsafe address.withUnsafeBytes { target in
            guard let base = target.baseAddress else { return -1 }
            return unsafe sendto(
                descriptor, packet, packet.count, Int32(MSG_NOSIGNAL), base.assumingMemoryBound(to: sockaddr.self),
                socklen_t(target.count))
        }
        guard count == packet.count else { throw .notSent(errno: errno) }
    }
}
