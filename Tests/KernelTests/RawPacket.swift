import Glibc
import NetworkTypes

/// IP packets byte by byte, right or wrong, and a way to put them on a pod's link as they are.
enum RawPacket {
    struct Ends: Sendable {
        let source: IPAddress
        let destination: IPAddress
        var reversed: Ends { Ends(source: destination, destination: source) }
    }

    // MARK: Headers

    /// RFC 791 §3.1. `options` in whole words; `total` nil: the truth; `fragment` with its flags, offset in units of 8 bytes.
    static func v4(
        _ ends: Ends, _ transport: UInt8, _ payload: [UInt8], options: [UInt8] = [], total: Int? = nil, fragment: UInt16 = 0,
        id: UInt16 = 1, headerWords: UInt8? = nil
    ) -> [UInt8] {
        let length = 20 + options.count
        var header: [UInt8] = [0x40 | (headerWords ?? UInt8(length / 4)), 0]
        header += two(UInt16(total ?? length + payload.count)) + two(id) + two(fragment)
        header += [64, transport, 0, 0] + ends.source.networkBytes + ends.destination.networkBytes + options
        let checksum = two(~sum(header))
        header[10] = checksum[0]
        header[11] = checksum[1]
        return header + payload
    }

    /// RFC 8200 §3. `next` is the first of the extension headers, which stand in the payload.
    static func v6(_ ends: Ends, _ next: UInt8, _ payload: [UInt8], length: Int? = nil) -> [UInt8] {
        [0x60, 0, 0, 0] + two(UInt16(length ?? payload.count)) + [next, 64] + ends.source.networkBytes + ends.destination.networkBytes
            + payload
    }

    /// An IPv6 extension header of 8 bytes with the next header's number in front (hop-by-hop and destination options with padding;
    /// a routing header with the type and the segments left; a fragment header with offset and flags).
    static func options(_ next: UInt8) -> [UInt8] { [next, 0, 1, 4, 0, 0, 0, 0] }
    static func routing(_ next: UInt8, segmentsLeft: UInt8, stop: IPAddress) -> [UInt8] {
        [next, 2, 0, segmentsLeft, 0, 0, 0, 0] + stop.networkBytes
    }
    static func fragment(_ next: UInt8, _ offsetAndFlags: UInt16, id: UInt8 = 7) -> [UInt8] {
        [next, 0] + two(offsetAndFlags) + [0, 0, 0, id]
    }

    // MARK: Transport

    /// TCP with a right checksum; `dataOffset` in words of 4 bytes.
    static func tcp(
        _ ends: Ends, port: UInt16 = 7_000, sourcePort: UInt16 = 40_000, flags: UInt8 = 0x02, options: [UInt8] = [],
        payload: [UInt8] = [], dataOffset: UInt8? = nil
    ) -> [UInt8] {
        let offset = dataOffset ?? UInt8(5 + options.count / 4)
        let header = two(sourcePort) + two(port) + [0, 0, 1, 0, 0, 0, 0, 0, offset << 4, flags, 0xff, 0xff, 0, 0, 0, 0]
        return checksummed(ends, 6, header + options + payload, at: 16)
    }

    /// TCP at any place of a connection.
    static func segment(
        _ ends: Ends, _ sourcePort: UInt16, _ port: UInt16, sequence: UInt32, acknowledgement: UInt32, flags: UInt8, payload: [UInt8] = [],
        urgent: UInt16 = 0
    ) -> [UInt8] {
        let numbers = [sequence, acknowledgement].flatMap { two(UInt16($0 >> 16)) + two(UInt16(truncatingIfNeeded: $0)) }
        let header = two(sourcePort) + two(port) + numbers + [0x50, flags, 0xff, 0xff, 0, 0] + two(urgent)
        return checksummed(ends, 6, header + payload, at: 16)
    }

    static func udp(
        _ ends: Ends, port: UInt16 = 7_000, sourcePort: UInt16 = 40_000, payload: [UInt8] = [1, 2, 3, 4], length: UInt16? = nil,
        badChecksum: Bool = false
    ) -> [UInt8] {
        let header = two(sourcePort) + two(port) + two(length ?? UInt16(8 + payload.count)) + [0, 0]
        var bytes = checksummed(ends, 17, header + payload, at: 6)
        if badChecksum { bytes[7] ^= 0x55 }
        return bytes
    }

    /// An INIT chunk (RFC 9260 §3.3.2) with its CRC-32C.
    static func sctp(_ ends: Ends, port: UInt16 = 7_000) -> [UInt8] {
        let chunk: [UInt8] = [1, 0, 0, 20, 0, 0, 0, 9, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]
        var bytes = two(40_000) + two(port) + [0, 0, 0, 0, 0, 0, 0, 0] + chunk
        var crc: UInt32 = .max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82f6_3b78 }
        }
        for index in 0..<4 { bytes[8 + index] = UInt8(truncatingIfNeeded: ~crc >> (8 * UInt32(index))) }
        return bytes
    }

    /// "Administratively prohibited" about a packet, which it quotes (RFC 792, RFC 4443 §3.1).
    static func icmpError(_ ends: Ends, about packet: [UInt8]) -> [UInt8] {
        if ends.source.family == .v6 { return checksummed(ends, 58, [1, 1, 0, 0, 0, 0, 0, 0] + packet, at: 2) }
        var message: [UInt8] = [3, 13, 0, 0, 0, 0, 0, 0] + packet
        let checksum = two(~sum(message))
        message[2] = checksum[0]
        message[3] = checksum[1]
        return message
    }

    /// RFC 1071, RFC 8200 §8.1.
    private static func checksummed(_ ends: Ends, _ transport: UInt8, _ bytes: [UInt8], at place: Int) -> [UInt8] {
        let pseudo = ends.source.networkBytes + ends.destination.networkBytes + [0, transport] + two(UInt16(bytes.count))
        let checksum = two(~sum(pseudo + bytes))
        var bytes = bytes
        bytes[place] = checksum[0]
        bytes[place + 1] = checksum[1]
        return bytes
    }

    private static func sum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in bytes.indices { sum += index % 2 == 0 ? UInt32(bytes[index]) << 8 : UInt32(bytes[index]) }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return UInt16(sum)
    }

    static func two(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

    // MARK: Sending

    /// Puts packets on the link `eth0` of the calling thread's namespace, addressed to the node's end (packet(7), `SOCK_DGRAM`).
    static func send(_ packets: [[UInt8]]) throws {
        let descriptor = socket(AF_PACKET, SocketKind.datagram | SocketKind.closeOnExec, 0)
        guard descriptor >= 0 else { throw Problem("no packet socket: errno \(errno)") }
        defer { close(descriptor) }
        let index = unsafe if_nametoindex("eth0")
        for packet in packets {
            // struct sockaddr_ll: family, protocol (network byte order), interface, hardware type, packet type, address.
            let isV6 = packet.first.map { $0 >> 4 == 6 } ?? false
            let family = UInt16(AF_PACKET).littleEndian
            var address = [UInt8(truncatingIfNeeded: family), UInt8(family >> 8)] + two(isV6 ? 0x86dd : 0x0800)
            address += (0..<4).map { UInt8(truncatingIfNeeded: index >> (8 * UInt32($0))) }
            // The node's end of every pod's link has this hardware address (`DemoNetwork`).
            address += [0, 0, 0, 6, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0, 0]
            let count = unsafe address.withUnsafeBytes { target in
                guard let base = target.baseAddress else { return -1 }
                return unsafe sendto(
                    descriptor, packet, packet.count, 0, base.assumingMemoryBound(to: sockaddr.self), socklen_t(target.count))
            }
            guard count == packet.count else { throw Problem("a packet cannot be sent: errno \(errno)") }
        }
    }
}
