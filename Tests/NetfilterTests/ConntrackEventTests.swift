import Conntrack
import Netlink
import NetworkTypes
import Testing

struct ConntrackEventTests {
    static let began =
        "d8000000000100060000000000000000020000003400018014000180080001007f000001080002007f0000011c000280050001000600000006000200a1d2"
        + "0000060003001b5800003400028014000180080001007f000001080002007f0000011c0002800500010006000000060002001b58000006000300a1d20000"
        + "08000c00f3e3469b08000300000000080800070000000078300004802c0001800500010001000000050002000a0000000500030000000000060004000300"
        + "0000060005000000000008000800000012340c001b0018ea1930c012fc33"
    static let changed =
        "d8000000000100000000000000000000020000003400018014000180080001007f000001080002007f0000011c000280050001000600000006000200a1d2"
        + "0000060003001b5800003400028014000180080001007f000001080002007f0000011c0002800500010006000000060002001b58000006000300a1d20000"
        + "08000c00f3e3469b080003000000000e0800070000069780300004802c0001800500010003000000050002000a000000050003000a000000060004002300"
        + "0000060005002300000008000800000012340c001b0018ea1930c0142c7b"
    static let ended =
        "0c0100000201000000000000db1d0000020000003400018014000180080001007f000001080002007f0000011c000280050001000600000006000200a1d2"
        + "0000060003001b5800003400028014000180080001007f000001080002007f0000011c0002800500010006000000060002001b58000006000300a1d20000"
        + "08000c00f3e3469b080003000000020e08000700000000771c0009800c00010000000000000000050c00020000000000000001111c000a800c0001000000"
        + "0000000000030c00020000000000000000a41c0014800c00010018ea1930c0130c6f0c00020018ea1930cc366d63100004800c0001800500010007000000"
        + "08000800000012340c001b0018ea1930cc366efe"
    static let ended6 =
        "2c0100000201000000000000db1d00000a0000004c0001802c00018014000300000000000000000000000000000000011400040000000000000000000000"
        + "0000000000011c000280050001001100000006000200d263000006000300000900004c0002802c0001801400030000000000000000000000000000000001"
        + "14000400000000000000000000000000000000011c0002800500010011000000060002000009000006000300d263000008000c005ebebe3e080003000000"
        + "0208080007000000001d1c0009800c00010000000000000000010c00020000000000000000311c000a800c00010000000000000000000c00020000000000"
        + "000000001c0014800c00010018ea1930c610490d0c00020018ea1930cc37b52508000800000012340c001b0018ea1930cc37b5e3"

    static func bytes(_ text: String) -> [UInt8] {
        let digits = Array(text.utf8).map { $0 >= 97 ? $0 - 87 : $0 - 48 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    static func decode(_ bytes: [UInt8]) -> [ConntrackEvent] {
        var offset = 0
        var found: [ConntrackEvent] = []
        while let message = NetlinkMessage(in: bytes.span, at: &offset) {
            if let event = ConntrackEvent(decoding: bytes.span, message) { found.append(event) }
        }
        return found
    }

    // Recorded from Linux 6.18: one TCP connection over lo, and one UDP datagram that nobody answered.

    @Test func `a flow that begins, changes and ends is the same entry`() throws {
        let events = Self.decode(Self.bytes(Self.began + Self.changed + Self.ended))
        #expect(events.map(\.kind) == [.began, .changed, .ended])
        let localhost = IPAddress(v4: 0x7f00_0001)
        let original = FlowAddresses(source: localhost, destination: localhost, sourcePort: 41_426, destinationPort: 7_000)
        for event in events {
            #expect(event.entry.original == original && event.entry.reply == original.reversed)
            #expect(event.entry.transport == .tcp && event.entry.family == .v4 && event.entry.mark == 0x1234)
            #expect(event.entry.id == 0xf3e3_469b && event.entry.zone == 0)
        }
        #expect(events.map(\.entry.tcpState) == [1, 3, 7])  // SYN_SENT, ESTABLISHED, TIME_WAIT
        #expect(events.map(\.entry.timeoutSeconds) == [120, 0x69780, 119])
        #expect(events[0].entry.originalCount == nil && events[0].entry.startNanoseconds == nil)
        let last = events[2].entry
        #expect(last.originalCount == FlowCount(packets: 5, bytes: 273) && last.replyCount == FlowCount(packets: 3, bytes: 164))
        let start = try #require(last.startNanoseconds)
        let stop = try #require(last.stopNanoseconds)
        #expect(stop > start && stop - start < 1_000_000_000)
    }

    @Test func `an IPv6 flow without an answer has counted one direction`() throws {
        let event = try #require(Self.decode(Self.bytes(Self.ended6)).first)
        #expect(event.kind == .ended && event.entry.family == .v6 && event.entry.transport == .udp)
        #expect(event.entry.original.source == IPAddress(v6Upper: 0, lower: 1) && event.entry.original.destinationPort == 9)
        #expect(event.entry.originalCount == FlowCount(packets: 1, bytes: 49))
        #expect(event.entry.replyCount == FlowCount(packets: 0, bytes: 0))
        #expect(event.entry.tcpState == nil)
    }

    // MARK: Hostile bytes

    @Test(arguments: [began, changed, ended, ended6])
    func `cut anywhere, or with any byte changed, a message is an event or nothing`(text: String) {
        let whole = Self.bytes(text)
        for count in 0..<whole.count {
            // The length in the header is a lie: nothing.
            #expect(Self.decode(Array(whole[..<count])).isEmpty)
            // The header tells the truth, and attributes reach beyond the end.
            var short = Array(whole[..<count])
            guard count >= 20 else { continue }
            (short[0], short[1]) = (UInt8(truncatingIfNeeded: count), UInt8(count >> 8))
            for event in Self.decode(short) { #expect(event.entry.original.source.family == event.entry.reply.source.family) }
        }
        for index in whole.indices {
            for value: UInt8 in [0, 1, 3, 4, 0x7f, 0xff] {
                var changed = whole
                changed[index] = value
                #expect(Self.decode(changed).count <= 1)
            }
        }
    }

    @Test func `messages of other subsystems, and entries without both tuples or of two families, are nothing`() {
        func message(_ type: UInt16, _ body: (inout NetlinkWriter) -> Void) -> [UInt8] {
            var writer = NetlinkWriter()
            writer.begin(type: type, flags: 0, sequence: 0, family: 2)
            body(&writer)
            writer.end()
            return writer.bytes
        }
        func tuple(_ writer: inout NetlinkWriter, _ type: UInt16, _ address: [UInt8], transport: UInt8 = 17) {
            writer.nested(type) { tuple in
                tuple.nested(1) { part in
                    part.attribute(address.count == 4 ? 1 : 3, address)
                    part.attribute(address.count == 4 ? 2 : 4, address)
                }
                tuple.nested(2) { $0.attribute(1, [transport]) }
            }
        }
        let v4: [UInt8] = [192, 0, 2, 1]
        let v6 = [UInt8](repeating: 1, count: 16)
        let good = message(1 << 8) {
            tuple(&$0, 1, v4)
            tuple(&$0, 2, v4)
        }
        #expect(Self.decode(good).count == 1)
        #expect(
            Self.decode(
                message(3 << 8) {
                    tuple(&$0, 1, v4)
                    tuple(&$0, 2, v4)
                }
            ).isEmpty)
        #expect(Self.decode(message(1 << 8) { tuple(&$0, 1, v4) }).isEmpty)
        #expect(
            Self.decode(
                message(1 << 8) {
                    tuple(&$0, 1, v4)
                    tuple(&$0, 2, v6)
                }
            ).isEmpty)
        #expect(
            Self.decode(
                message(1 << 8) {
                    tuple(&$0, 1, v4)
                    tuple(&$0, 2, v4, transport: 6)
                }
            ).isEmpty)
    }
}
