import CLinux
import Glibc
import NetworkTypes

/// How a datagram's reply finds back: to whom, and from which of our addresses.
struct ReturnPath: BitwiseCopyable, Sendable {
    let peer: SocketAddress
    /// The address that was asked, on sockets that are bound to the unspecified address.
    let local: IPAddress?
    /// The interface it came by, which only a link-local `local` needs.
    let interface: UInt32

    /// Bytes of ancillary data that ``writeControl(into:)`` writes at most: CMSG_SPACE(sizeof(struct in6_pktinfo)).
    static var controlBytesMax: Int { 40 }

    /// Reads `IP_PKTINFO` (ip(7)) or `IPV6_PKTINFO` (RFC 3542 §4) out of ancillary data.
    ///
    ///     cmsghdr:     length (8) | level (4) | type (4) | data, padded to 8
    ///     in_pktinfo:  interface (4) | local address (4) | destination in the header (4)
    ///     in6_pktinfo: destination (16) | interface (4)
    init(peer: SocketAddress, control: UnsafeRawBufferPointer) {
        self.peer = peer
        var local: IPAddress?
        var interface: UInt32 = 0
        var offset = 0
        while offset + 16 <= control.count {
            let length = unsafe control.loadUnaligned(fromByteOffset: offset, as: Int.self)
            guard length >= 16, length <= control.count - offset else { break }
            let level = unsafe control.loadUnaligned(fromByteOffset: offset + 8, as: Int32.self)
            let type = unsafe control.loadUnaligned(fromByteOffset: offset + 12, as: Int32.self)
            let data = offset + 16
            if level == Int32(IPPROTO_IP), type == IP_PKTINFO, length >= 28 {
                local = unsafe IPAddress(v4: UInt32(bigEndian: control.loadUnaligned(fromByteOffset: data + 4, as: UInt32.self)))
            } else if level == Int32(IPPROTO_IPV6), type == IPV6_PKTINFO, length >= 36 {
                let address = unsafe IPAddress(
                    v6Upper: UInt64(bigEndian: control.loadUnaligned(fromByteOffset: data, as: UInt64.self)),
                    lower: UInt64(bigEndian: control.loadUnaligned(fromByteOffset: data + 8, as: UInt64.self)))
                local = address
                if address.isLinkLocalV6 { interface = unsafe control.loadUnaligned(fromByteOffset: data + 16, as: UInt32.self) }
            }
            offset += (length + 7) & ~7
        }
        self.local = local
        self.interface = interface
    }

    /// Writes the ancillary data of the reply; its length, 0 where the binding suffices.
    func writeControl(into bytes: UnsafeMutableRawBufferPointer) -> Int {
        guard let local, bytes.count >= Self.controlBytesMax else { return 0 }
        switch local.family {
        case .v4:
            unsafe bytes.storeBytes(of: 28, as: Int.self)
            unsafe bytes.storeBytes(of: Int32(IPPROTO_IP), toByteOffset: 8, as: Int32.self)
            unsafe bytes.storeBytes(of: IP_PKTINFO, toByteOffset: 12, as: Int32.self)
            unsafe bytes.storeBytes(of: 0, toByteOffset: 16, as: UInt32.self)
            unsafe bytes.storeBytes(of: local.v4.bigEndian, toByteOffset: 20, as: UInt32.self)
            unsafe bytes.storeBytes(of: 0, toByteOffset: 24, as: UInt64.self)
            return 32
        case .v6:
            unsafe bytes.storeBytes(of: 36, as: Int.self)
            unsafe bytes.storeBytes(of: Int32(IPPROTO_IPV6), toByteOffset: 8, as: Int32.self)
            unsafe bytes.storeBytes(of: IPV6_PKTINFO, toByteOffset: 12, as: Int32.self)
            unsafe bytes.storeBytes(of: local.upper.bigEndian, toByteOffset: 16, as: UInt64.self)
            unsafe bytes.storeBytes(of: local.lower.bigEndian, toByteOffset: 24, as: UInt64.self)
            unsafe bytes.storeBytes(of: interface, toByteOffset: 32, as: UInt32.self)
            unsafe bytes.storeBytes(of: 0, toByteOffset: 36, as: UInt32.self)
            return 40
        }
    }
}
