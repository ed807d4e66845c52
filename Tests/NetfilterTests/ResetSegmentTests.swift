import Conntrack
import Enforcement
import FlowResets
import NetworkTypes
import PacketHeaders
import Testing

struct ResetSegmentTests {
    static let v4 = (IPAddress(parsing: "192.0.2.1")!, IPAddress(parsing: "198.51.100.7")!)
    static let v6 = (IPAddress(parsing: "2001:db8:1::1")!, IPAddress(parsing: "2001:db8:2::7")!)

    /// RFC 1071, a carry at a time: 0xffff over bytes with the checksum in its place.
    static func sum(_ bytes: [UInt8]) -> UInt16 {
        stride(from: 0, to: bytes.count, by: 2).reduce(0) { sum, index in
            let (value, carries) = sum.addingReportingOverflow(UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1]))
            return value &+ (carries ? 1 : 0)
        }
    }

    @Test(arguments: [v4, v6], [nil, 0x0102_0304] as [UInt32?])
    func `a segment is what the parser reads back, with both checksums right`(ends: (IPAddress, IPAddress), acknowledgement: UInt32?) throws
    {
        let segment = ResetSegment(
            source: ends.0, destination: ends.1, sourcePort: 40_000, destinationPort: 443, sequence: 0xfedc_ba98,
            acknowledgement: acknowledgement)
        let bytes = segment.bytes
        let headers = try PacketHeaders(parsing: bytes.span)
        #expect(headers.source == ends.0 && headers.destination == ends.1 && headers.transport == .tcp)
        #expect(headers.sourcePort == 40_000 && headers.destinationPort == 443)
        #expect(headers.tcpFlags == (acknowledgement == nil ? 0x04 : 0x14))
        #expect(headers.payloadOffset == bytes.count)
        let at = headers.transportOffset
        #expect(Array(bytes[(at + 4)..<(at + 8)]) == [0xfe, 0xdc, 0xba, 0x98])
        #expect(Array(bytes[(at + 8)..<(at + 12)]) == (acknowledgement == nil ? [0, 0, 0, 0] : [1, 2, 3, 4]))
        if ends.0.family == .v4 { #expect(Self.sum(Array(bytes[..<20])) == 0xffff) }
        let pseudo = ends.0.networkBytes + ends.1.networkBytes + [0, 6, 0, UInt8(bytes.count - at)]
        #expect(Self.sum(pseudo + bytes[at...]) == 0xffff)
        // A reset is never answered.
        #expect(FlowReset(of: bytes.span, headers, isReply: false, resetsSender: true) == nil)
    }

    /// A TCP packet with this many bytes of payload, of which so many are there.
    static func packet(_ ends: (IPAddress, IPAddress), flags: UInt8, payload: Int, copied: Int) -> [UInt8] {
        var bytes = ResetSegment(
            source: ends.0, destination: ends.1, sourcePort: 1, destinationPort: 2, sequence: 1_000, acknowledgement: 2_000
        ).bytes
        let start = ends.0.family == .v4 ? 20 : 40
        bytes[start + 13] = flags
        let length = ends.0.family == .v4 ? 40 + payload : 20 + payload
        let at = ends.0.family == .v4 ? 2 : 4
        (bytes[at], bytes[at + 1]) = (UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length))
        return bytes + [UInt8](repeating: 0, count: copied)
    }

    @Test(arguments: [v4, v6])
    func `a record counts payload, SYN and FIN by the length in the IP header`(ends: (IPAddress, IPAddress)) throws {
        for (flags, payload, copied, length, acknowledges): (UInt8, Int, Int, UInt32, Bool) in [
            (0x10, 0, 0, 0, true), (0x18, 5, 5, 5, true), (0x18, 1_400, 200, 1_400, true), (0x11, 5, 5, 6, true), (0x02, 0, 0, 1, false),
            (0x12, 0, 0, 1, true), (0x18, 60_000, 64, 60_000, true), (0x01, 0, 0, 1, false),
        ] {
            let bytes = Self.packet(ends, flags: flags, payload: payload, copied: copied)
            let reset = try #require(
                FlowReset(of: bytes.span, try PacketHeaders(parsing: bytes.span), isReply: true, resetsSender: false))
            #expect(reset.sequence == 1_000 && reset.acknowledgement == (acknowledges ? 2_000 : 0))
            #expect(reset.sequenceLength == length && reset.isAcknowledging == acknowledges && reset.isReply)
        }
        let udp: [UInt8] = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2, 0, 8, 0, 0]
        #expect(FlowReset(of: udp.span, try PacketHeaders(parsing: udp.span), isReply: false, resetsSender: true) == nil)
    }

    @Test func `the plan bears the tuple of each direction, and is routed to the true ends`() throws {
        let client = IPAddress(v4: 0xc000_0202)
        let service = IPAddress(v4: 0xcb00_7101)
        let server = IPAddress(v4: 0xc633_640a)
        let node = IPAddress(v4: 0xc633_6401)
        let entry = ConntrackEntry(
            family: .v4, transport: .tcp,
            original: FlowAddresses(source: client, destination: service, sourcePort: 5_000, destinationPort: 80),
            reply: FlowAddresses(source: server, destination: node, sourcePort: 8_080, destinationPort: 6_000), mark: 0, status: 0, id: 1,
            zone: 0, originalCount: nil, replyCount: nil, tcpState: 3, timeoutSeconds: 1, startNanoseconds: nil, stopNanoseconds: nil)
        func record(isReply: Bool, isAcknowledging: Bool = true, resetsSender: Bool = true) -> FlowReset {
            FlowReset(
                source: client, destination: server, sourcePort: 5_000, destinationPort: 8_080, sequence: 100,
                acknowledgement: isAcknowledging ? 900 : 0, sequenceLength: 7, isAcknowledging: isAcknowledging, isReply: isReply,
                resetsSender: resetsSender)
        }
        let forward = ResetPlan(record(isReply: false), entry).steps
        #expect(forward.map(\.route) == [server, client])
        #expect(forward[0].segment.source == client && forward[0].segment.destination == service)
        #expect(forward[0].segment.sequence == 100 && forward[0].segment.acknowledgement == 900)
        #expect(forward[1].segment.source == server && forward[1].segment.destination == node)
        #expect(forward[1].segment.sourcePort == 8_080 && forward[1].segment.destinationPort == 6_000)
        #expect(forward[1].segment.sequence == 900 && forward[1].segment.acknowledgement == nil)
        let backward = ResetPlan(record(isReply: true, resetsSender: false), entry).steps
        #expect(backward.map(\.route) == [client])
        #expect(backward[0].segment.source == server && backward[0].segment.destination == node)
        // A SYN: the receiver has never seen it.
        let first = ResetPlan(record(isReply: false, isAcknowledging: false), entry).steps
        #expect(first.map(\.route) == [client])
        #expect(first[0].segment.sequence == 0 && first[0].segment.acknowledgement == 107)
    }
}
