import CLinux
import Glibc
import NetworkTypes

/// Makes the listening sockets of the interceptor.
///
/// They are made apart from the worker, because a holder process keeps them over a crash: the worker takes descriptors.
public enum DNSSockets {
    /// A bound, non-blocking UDP socket of the address's family alone (`IPV6_V6ONLY`).
    ///
    /// On the unspecified address it asks for `IP_PKTINFO`/`IPV6_RECVPKTINFO`, so that a reply leaves from the address
    /// that was asked; on any other address the binding itself sees to that.
    /// - Parameters:
    ///   - port: 0 lets the kernel choose; see ``port(of:)``.
    ///   - isFreeBind: the address need not exist yet (`IP_FREEBIND`).
    ///   - sharesPort: several sockets may take the port (`SO_REUSEPORT`), one for each worker.
    public static func bindUDP(
        _ address: IPAddress, port: UInt16, isFreeBind: Bool = false, sharesPort: Bool = false, bufferBytes: Int = 4 << 20
    ) throws(DNSSocketError) -> Int32 {
        let descriptor = try make(address, SOCK_DGRAM, isFreeBind: isFreeBind, sharesPort: sharesPort)
        do throws(DNSSocketError) {
            enlarge(descriptor, bytes: bufferBytes)
            if address.isUnspecified {
                switch address.family {
                case .v4: try set(descriptor, Int32(IPPROTO_IP), IP_PKTINFO, 1)
                case .v6: try set(descriptor, Int32(IPPROTO_IPV6), IPV6_RECVPKTINFO, 1)
                }
            }
            try bind(descriptor, address, port)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// A listening, non-blocking TCP socket; parameters as for UDP.
    public static func bindTCP(
        _ address: IPAddress, port: UInt16, isFreeBind: Bool = false, sharesPort: Bool = false, backlog: Int32 = 256
    ) throws(DNSSocketError) -> Int32 {
        let descriptor = try make(address, SOCK_STREAM, isFreeBind: isFreeBind, sharesPort: sharesPort)
        do throws(DNSSocketError) {
            try set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
            try bind(descriptor, address, port)
            guard listen(descriptor, backlog) == 0 else { throw DNSSocketError(.listen, code: errno) }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// The port that a socket is bound to, in host byte order.
    public static func port(of descriptor: Int32) throws(DNSSocketError) -> UInt16 {
        guard let address = SocketAddress.ofSocket(descriptor) else { throw DNSSocketError(.getsockname, code: errno) }
        return address.port
    }

    /// The address that a socket is bound to.
    public static func address(of descriptor: Int32) throws(DNSSocketError) -> IPAddress {
        guard let address = SocketAddress.ofSocket(descriptor)?.address else { throw DNSSocketError(.getsockname, code: errno) }
        return address
    }

    private static func make(
        _ address: IPAddress, _ type: __socket_type, isFreeBind: Bool, sharesPort: Bool
    ) throws(DNSSocketError) -> Int32 {
        let descriptor = newSocket(address.family, type)
        guard descriptor >= 0 else { throw DNSSocketError(.socket, code: errno) }
        do throws(DNSSocketError) {
            if address.family == .v6 { try set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
            if isFreeBind {
                switch address.family {
                case .v4: try set(descriptor, Int32(IPPROTO_IP), IP_FREEBIND, 1)
                case .v6: try set(descriptor, Int32(IPPROTO_IPV6), IPV6_FREEBIND, 1)
                }
            }
            if sharesPort { try set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// A non-blocking socket that is closed on exec, or -1 and `errno`.
    static func newSocket(_ family: IPFamily, _ type: __socket_type) -> Int32 {
        let flags = SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        return socket(family == .v4 ? AF_INET : AF_INET6, Int32(type.rawValue | flags), 0)
    }

    private static func bind(_ descriptor: Int32, _ address: IPAddress, _ port: UInt16) throws(DNSSocketError) {
        let status = unsafe SocketAddress(address, port: port).withPointer { unsafe Glibc.bind(descriptor, $0, $1) }
        guard status == 0 else { throw DNSSocketError(.bind, code: errno) }
    }

    static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) throws(DNSSocketError) {
        var value = value
        let status = unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        guard status == 0 else { throw DNSSocketError(.setsockopt, code: errno) }
    }

    /// With CAP_NET_ADMIN beyond `rmem_max`, else up to it: a smaller buffer is no error.
    static func enlarge(_ descriptor: Int32, bytes: Int) {
        let size = Int32(clamping: bytes)
        do throws(DNSSocketError) { try set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, size) } catch {
            try? set(descriptor, SOL_SOCKET, SO_RCVBUF, size)
        }
        do throws(DNSSocketError) { try set(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, size) } catch {
            try? set(descriptor, SOL_SOCKET, SO_SNDBUF, size)
        }
    }

    /// Datagrams that the kernel dropped at this socket since it was made (`SO_MEMINFO`, linux/sock_diag.h).
    static func drops(of descriptor: Int32) -> UInt32 {
        var values = InlineArray<9, UInt32>(repeating: 0)
        var length = socklen_t(MemoryLayout<InlineArray<9, UInt32>>.size)
        let status = unsafe getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, &values, &length)
        return status == 0 ? values[8] : 0
    }
}

extension IPAddress {
    var isUnspecified: Bool { upper == 0 && lower == 0 }

    /// fe80::/10 (RFC 4291 §2.5.6).
    var isLinkLocalV6: Bool { family == .v6 && upper >> 54 == 0xfe80 >> 6 }
}
