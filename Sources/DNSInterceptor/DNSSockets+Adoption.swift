import CLinux
import Glibc
import NetworkTypes

extension DNSSockets {
    /// The one of these sockets, which somebody else has bound, that serves this address and port: by what it is bound to, not by its
    /// name. It is set up as ``bindUDP(_:port:isFreeBind:sharesPort:bufferBytes:)`` or ``bindTCP(_:port:isFreeBind:sharesPort:backlog:)``
    /// would have; what clients have sent to it meanwhile waits in it. Nil if there is none.
    /// - Parameter number: which one, where several share the port.
    public static func adopt(
        from descriptors: [Int32], _ address: IPAddress, port: UInt16, isStream: Bool, number: Int = 0, bufferBytes: Int = 4 << 20
    ) throws(DNSSocketError) -> Int32? {
        var toPass = number
        let wanted = Int32(isStream ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue)
        for descriptor in descriptors {
            guard kind(of: descriptor) == wanted, let bound = SocketAddress.ofSocket(descriptor), bound.address == address,
                bound.port == port
            else { continue }
            guard toPass == 0 else {
                toPass -= 1
                continue
            }
            guard exeat_set_nonblocking(descriptor, 1) == 0 else { throw DNSSocketError(.setsockopt, code: errno) }
            if isStream {
                // Once more does no harm, and systemd's backlog may be smaller.
                guard listen(descriptor, 256) == 0 else { throw DNSSocketError(.listen, code: errno) }
            } else {
                enlarge(descriptor, bytes: bufferBytes)
                if address.isUnspecified {
                    switch address.family {
                    case .v4: try set(descriptor, Int32(IPPROTO_IP), IP_PKTINFO, 1)
                    case .v6: try set(descriptor, Int32(IPPROTO_IPV6), IPV6_RECVPKTINFO, 1)
                    }
                }
            }
            return descriptor
        }
        return nil
    }

    private static func kind(of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return unsafe getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &value, &length) == 0 ? value : nil
    }
}
