import NetfilterQueue
import Netlink
import Testing

struct QueueMessageTests {
    /// A packet message as the kernel sends it.
    static func message(id: UInt32 = 7, payload: [UInt8] = [0x45, 1, 2, 3, 4]) -> [UInt8] {
        var writer = NetlinkWriter()
        writer.begin(type: 3 << 8, flags: 0, sequence: 0, family: 2, resource: 100)
        writer.attribute(1, [0, 0, UInt8(id >> 8), UInt8(truncatingIfNeeded: id), 0x08, 0x00, 2])
        writer.attributeBig32(3, 0x1f7e)
        writer.attributeBig32(5, 11)
        writer.attributeBig32(6, 12)
        writer.attribute(9, Array(repeating: 0, count: 12))
        writer.attributeBig32(13, 1500)
        writer.attribute(10, payload)
        writer.end()
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) -> [QueueMessage] {
        var offset = 0
        var found: [QueueMessage] = []
        while let message = QueueMessage.next(in: bytes.span, at: &offset) { found.append(message) }
        return found
    }

    @Test func `a whole message gives the packet and where its bytes lie`() throws {
        let bytes = Self.message() + Self.message(id: 8, payload: [])
        let found = Self.decode(bytes)
        try #require(found.count == 2)
        guard case .packet(let packet, let start, let end) = found[0] else { throw HarnessError("\(found[0])") }
        #expect(
            packet
                == QueuedPacket(
                    id: 7, hardwareProtocol: 0x0800, hook: 2, mark: 0x1f7e, inputInterface: 11, outputInterface: 12, originalLength: 1500))
        #expect(Array(bytes[start..<end]) == [0x45, 1, 2, 3, 4])
        guard case .packet(let second, let start2, let end2) = found[1] else { throw HarnessError("\(found[1])") }
        #expect(second.id == 8 && start2 == end2)
    }

    @Test func `cut anywhere it is malformed, and its packet still gets a verdict`() {
        let bytes = Self.message()
        for count in 0..<bytes.count {
            let found = Self.decode(Array(bytes[..<count]))
            if count == 0 {
                #expect(found.isEmpty)
            } else if count >= 28 {
                guard case .malformed(id: 7) = found.first else {
                    Issue.record("\(count) bytes: \(found)")
                    continue
                }
            } else {
                guard case .malformed(id: nil) = found.first else {
                    Issue.record("\(count) bytes: \(found)")
                    continue
                }
            }
        }
    }

    @Test func `every lying length gives malformed or a packet within bounds`() {
        let bytes = Self.message()
        for position in 0..<bytes.count {
            for value: UInt8 in [0, 1, 3, 4, 5, 0x7f, 0x80, 0xfe, 0xff] {
                var lie = bytes
                lie[position] = value
                for message in Self.decode(lie) {
                    if case .packet(_, let start, let end) = message { #expect(start <= end && end <= lie.count) }
                }
            }
        }
    }

    @Test func `random bytes never trap`() {
        var seed: UInt64 = 0x9e37_79b9_7f4a_7c15
        for _ in 0..<20_000 {
            var bytes = Self.message()
            for _ in 0..<6 {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(seed >> 33) % bytes.count] = UInt8(truncatingIfNeeded: seed >> 20)
            }
            _ = Self.decode(bytes)
        }
    }

    @Test func `errors and acknowledgements are told apart`() {
        func error(_ number: Int32) -> [UInt8] {
            var writer = NetlinkWriter()
            writer.begin(type: 2, flags: 0, sequence: 0, family: 0)
            writer.end()
            var bytes = writer.bytes
            let value = UInt32(bitPattern: number).littleEndian
            for index in 0..<4 { bytes[16 + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
            return bytes
        }
        guard case .error(2) = Self.decode(error(-2)).first, case .error(0) = Self.decode(error(0)).first else {
            Issue.record("not an error")
            return
        }
    }

    @Test func `statistics are read by column, nonsense lines skipped`() {
        let text = "  100  12345     3 2   256     4     5       99  1\nnonsense\n65536 1 0 2 256 0 0 0 1\n"
        #expect(
            QueueStatistics.parse(text).map { "\($0.queue) \($0.portID) \($0.waiting) \($0.dropped) \($0.userDropped) \($0.lastID)" }
                == ["100 12345 3 4 5 99"])
    }
}
