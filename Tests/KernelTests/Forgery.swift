import Glibc
import NetworkTypes

/// Packets that no honest socket sends. Call `send` inside a thread of a namespace.
enum Forgery {
    /// An ICMPv6 message (RFC 4443 §2.1) with its IPv6 header (RFC 8200 §3) and a right checksum; 20 bytes of zeros follow the header
    /// of the message, enough for a neighbour solicitation or a report of a listener.
    static func icmpv6(type: UInt8, hopLimit: UInt8, from source: IPAddress, to destination: IPAddress) -> [UInt8] {
        var message: [UInt8] = [type, 0, 0, 0] + Array(repeating: 0, count: 20)
        let pseudoHeader = source.networkBytes + destination.networkBytes + [0, 0, 0, UInt8(message.count), 0, 0, 0, 58]
        let checksum = ~sum(pseudoHeader + message)
        message[2] = UInt8(checksum >> 8)
        message[3] = UInt8(checksum & 0xff)
        return [0x60, 0, 0, 0, 0, UInt8(message.count), 58, hopLimit] + source.networkBytes + destination.networkBytes + message
    }

    /// Sends an IPv6 packet as it stands.
    static func send(_ packet: [UInt8], to destination: IPAddress) throws {
        var target = sockaddr_in6()
        target.sin6_family = sa_family_t(AF_INET6)
        unsafe withUnsafeMutableBytes(of: &target.sin6_addr) { unsafe $0.copyBytes(from: destination.networkBytes) }
        // Of this protocol the kernel takes the header from the sender (ipv6(7)).
        try send(packet, family: AF_INET6, transport: Int32(IPPROTO_RAW), to: &target)
    }

    /// Sends a UDP datagram over IPv4 from and to any ports, 0 too; without a checksum (RFC 768).
    static func sendDatagram(from sourcePort: UInt16, to destination: IPAddress, port: UInt16) throws {
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_addr.s_addr = destination.v4.bigEndian
        let ports = [sourcePort, port].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
        try send(ports + [0, 12, 0, 0] + [1, 2, 3, 4], family: AF_INET, transport: Int32(IPPROTO_UDP), to: &target)
    }

    private static func send<Address>(
        _ packet: [UInt8], family: Int32, transport: Int32, to target: inout Address
    ) throws {
        let descriptor = socket(family, SocketKind.raw | SocketKind.closeOnExec, transport)
        guard descriptor >= 0 else { throw Problem("no raw socket: errno \(errno)") }
        defer { close(descriptor) }
        let count = unsafe withUnsafePointer(to: &target) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(descriptor, packet, packet.count, 0, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard count == packet.count else { throw Problem("a raw packet cannot be sent: errno \(errno)") }
    }

    /// The sum of RFC 1071 over an even number of bytes.
    private static func sum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) { sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1]) }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return UInt16(sum)
    }
}
