import NetworkTypes
import PolicyEngine

/// Makes packets as the queue delivers them. Checksums are left zero: nothing above the kernel looks at them.
public enum PacketBuilder {
    /// A TCP SYN, a datagram of four bytes, an SCTP header, or the bare IP header with another protocol number.
    public static func packet(_ flow: FlowTuple, tcpFlags: UInt8 = 0x02) -> [UInt8] {
        let transport = transportHeader(flow, tcpFlags: tcpFlags)
        switch flow.source.family {
        case .v4:
            let length = 20 + transport.count
            return [0x45, 0, UInt8(length >> 8), UInt8(length & 0xff), 0, 0, 0x40, 0, 64, flow.transport.rawValue, 0, 0]
                + flow.source.networkBytes + flow.destination.networkBytes + transport
        case .v6:
            return [0x60, 0, 0, 0, UInt8(transport.count >> 8), UInt8(transport.count & 0xff), flow.transport.rawValue, 64]
                + flow.source.networkBytes + flow.destination.networkBytes + transport
        }
    }

    private static func transportHeader(_ flow: FlowTuple, tcpFlags: UInt8) -> [UInt8] {
        func two(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
        let ports = two(flow.sourcePort) + two(flow.destinationPort)
        switch flow.transport {
        case .tcp: return ports + [0, 0, 0, 1, 0, 0, 0, 0, 0x50, tcpFlags, 0xff, 0xff, 0, 0, 0, 0]
        case .sctp: return ports + [0, 0, 0, 1, 0, 0, 0, 0]
        case .udp, .udpLite: return ports + two(12) + [0, 0, 1, 2, 3, 4]
        case .icmp, .icmpv6: return [8, 0, 0, 0, 0, 1, 0, 1]
        default: return [0, 0, 0, 0]
        }
    }
}
