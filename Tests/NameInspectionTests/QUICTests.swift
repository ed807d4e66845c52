import NameInspection
import Testing

/// Datagrams of one QUIC flow.
struct QUICTests {
    /// RFC 9001 Appendix A.2 and RFC 9369 Appendix A.2: the same ClientHello for example.com.
    static let vectorFrames = hex(
        """
        060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0
        00000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501
        00000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304
        000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07
        048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff
        """)
    static let vectorID = hex("8394c8f03e515708")

    struct Vector: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let version: InitialSealer.Version
        let key: String
        let iv: String
        let headerKey: String
        let header: String
        let beginning: String
        let end: String
    }

    static let vectors: [Vector] = [
        Vector(
            testDescription: "RFC 9001", version: .v1, key: "1f369613dd76d5467730efcbe3b1a22d", iv: "fa044b2f42a3fd3b46fb255c",
            headerKey: "9f50449e04a0e810283a1e9933adedd2", header: "c300000001088394c8f03e5157080000449e00000002",
            beginning: "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c0bab7df5",
            end: "7e78bfe706ca4cf5e9c5453e9f7cfd2b8b4c8d169a44e55c88d4a9a7f9474241e221af44860018ab0856972e194cd934"),
        Vector(
            testDescription: "RFC 9369", version: .v2, key: "8b1a0bc121284290a29e0971b5cd045d", iv: "91f73e2351d8fa91660e909f",
            headerKey: "45b95e15235d6f45a6b19cbcb0294ba9", header: "d36b3343cf088394c8f03e5157080000449e00000002",
            beginning: "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03dceebfa162e75d6c96058bdb",
            end: "9973b2172b4d21fb69745a262ccde96ba18b2faa745b6fe189cf772a9f84cbfc"),
    ]

    @Test(arguments: vectors)
    func `the packets of the standards are opened`(vector: Vector) throws {
        let sealer = InitialSealer(vector.version, originalID: Self.vectorID)
        #expect(sealer.key == hex(vector.key))
        #expect(sealer.iv == hex(vector.iv))
        #expect(sealer.headerKey == hex(vector.headerKey))
        let frames = Self.vectorFrames + InitialSealer.padding(1_162 - Self.vectorFrames.count)
        let packet = try sealer.seal(hex(vector.header), frames, number: 2, numberBytes: 4)
        #expect(packet.count == 1_200)
        #expect(Array(packet.prefix(hex(vector.beginning).count)) == hex(vector.beginning))
        #expect(Array(packet.suffix(hex(vector.end).count)) == hex(vector.end))
        var check = DatagramNameCheck()
        #expect(check.handle(packet.span) == name("example.com", .quic))
    }

    static let id: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    static let serverID: [UInt8] = [9, 9, 9, 9]
    static let hello = HelloBuilder("www.example.org").message
    static let large = HelloBuilder("www.example.org").postQuantum().message

    static func initial(
        _ frames: [UInt8], _ number: UInt64 = 0, version: InitialSealer.Version = .v1, keys: [UInt8] = id, to destination: [UInt8]? = nil,
        token: [UInt8] = [], numberBytes: Int = 4, fixedBit: UInt8 = 0x40
    ) throws -> [UInt8] {
        let padded = frames + InitialSealer.padding(max(0, 64 - frames.count))
        return try InitialSealer(version, originalID: keys).packet(
            padded, number: number, numberBytes: numberBytes, destinationID: destination ?? keys, sourceID: [7], token: token,
            fixedBit: fixedBit)
    }

    static func crypto(_ data: some Collection<UInt8>, at offset: Int = 0) -> [UInt8] { InitialSealer.crypto(data, at: offset) }

    /// Opens with the keys of two connections. With those of `id`, packet number 1: a CRYPTO frame behind the hello, and nothing else.
    /// With those of its own destination connection ID: a hello for b.test. AES-GCM does not commit to its key: one block of the
    /// ciphertext was chosen so that one tag is right for both, and some million others were tried for the 16 bytes in front, so that
    /// they are a frame with either key.
    static let twoKeys = hex(
        """
        c20000000108a1a2a3a4a5a6a7a801070040b485c5851f1d8f271c40cefa0f52e4cb1077d5c0e68db4a32b2701863a7ce93128366283
        5d32194282777899ba9c6ed5cccb3cb5de7c95c261c9b042ddbc2fa21fa947cf323b59f65bf6a3e68d48ce68dfdd9f306bda4a4f9d1c
        9acf01ef3c6272beaefb55ecc699cf7a9cfc91693fe5bc6e452800a3cfe614e0eaf357d04a1a7d5ca8b5618e8b3a870c795a2b723929
        3a60cbbf2630da28df50ab83e8b49cb7f8139ad4b09034011dccfecc44eb29d85315a0eaf6
        """)

    /// A packet that cannot be opened, of type 1 (0-RTT) or 2 (Handshake) of version 1.
    static func opaque(_ type: UInt8, to destination: [UInt8] = id, fixedBit: UInt8 = 0x40) -> [UInt8] {
        let header: [UInt8] = [0x80 | fixedBit | type << 4, 0, 0, 0, 1, UInt8(destination.count)] + destination
        return header + [1, 7] + integer(40) + [UInt8](repeating: 0xee, count: 40)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let datagrams: @Sendable () throws -> [[UInt8]]
        let readings: [NameReading]

        init(_ text: String, _ readings: [NameReading], _ datagrams: @escaping @Sendable () throws -> [[UInt8]]) {
            testDescription = text
            self.readings = readings
            self.datagrams = datagrams
        }
    }

    private static let found = name("www.example.org", .quic)
    private static let half = large.count / 2

    static let rows: [Row] = [
        Row("one packet", [found]) { [try initial(crypto(hello))] },
        Row("version 2", [found]) { [try initial(crypto(hello), version: .v2)] },
        Row("a token", [found]) { [try initial(crypto(hello), token: [UInt8](repeating: 5, count: 100))] },
        Row("a packet number of one byte", [found]) { [try initial(crypto(hello), 200, numberBytes: 1)] },
        Row("PING and PADDING between", [found]) {
            [try initial([1, 0, 0] + crypto(hello[..<30]) + [1, 0] + crypto(hello[30...], at: 30))]
        },
        Row("an ACK in front", [found]) { [try initial([2, 5, 0, 1, 0, 0, 0] + crypto(hello))] },
        Row("an ACK with ECN counts", [found]) { [try initial([3, 5, 0, 0, 0, 1, 2, 3] + crypto(hello))] },
        Row("frames in any order", [found]) {
            [try initial(crypto(hello[60...], at: 60) + crypto(hello[..<20]) + crypto(hello[20..<60], at: 20))]
        },
        Row("frames that overlap and are equal", [found]) {
            [try initial(crypto(hello[..<60]) + crypto(hello[40...], at: 40) + crypto(hello[..<60]))]
        },
        Row("post-quantum: the name in the second datagram", [.needsMore, found]) {
            let hello = HelloBuilder().postQuantum().with(0, HelloBuilder.names([Array("www.example.org".utf8)])).message
            return [try initial(crypto(hello[..<1_000])), try initial(crypto(hello[1_000...], at: 1_000), 1)]
        },
        Row("post-quantum, the second datagram first", [.needsMore, found]) {
            [try initial(crypto(large[half...], at: half), 1), try initial(crypto(large[..<half]))]
        },
        Row("two packets in one datagram", [found]) {
            [try initial(crypto(large[..<half])) + initial(crypto(large[half...], at: half), 1)]
        },
        Row("a retransmission with another number", [.needsMore, .needsMore, found]) {
            let first = crypto(large[..<half])
            return [try initial(first), try initial(first, 3), try initial(crypto(large[half...], at: half), 4)]
        },
        Row("0-RTT behind it", [found]) { [try initial(crypto(hello)) + opaque(1)] },
        Row("0-RTT before it", [.needsMore, found]) { [opaque(1), try initial(crypto(hello))] },
        Row("zeros behind it", [found]) { [try initial(crypto(hello)) + [0, 0, 0]] },
        Row("later packets bear the server's ID", [found, found, found]) {
            [try initial(crypto(hello)), try initial([2, 0, 0, 0, 0], 1, to: serverID), opaque(2, to: serverID)]
        },
        Row("a CONNECTION_CLOSE", [found, found]) {
            [try initial(crypto(hello)), try initial([0x1c, 0, 6, 3, 97, 98, 99], 1, to: serverID)]
        },
        Row("a Retry: new keys, the same hello", [found, found]) {
            [try initial(crypto(hello)), try initial(crypto(hello), 1, keys: [8, 7, 6, 5, 4, 3, 2, 1], token: [1, 2, 3])]
        },
        Row("the version changes", [found, found]) {
            [try initial(crypto(hello)), try initial([2, 0, 0, 0, 0], 1, version: .v2, to: serverID)]
        },
        Row("a second hello after a HelloRetryRequest", [found, found]) {
            [try initial(crypto(hello)), try initial(crypto(hello, at: hello.count), 1, to: serverID)]
        },
        Row("short header after it", [found, found]) { [try initial(crypto(hello)), [0x40] + [UInt8](repeating: 1, count: 30)] },
        Row("an encrypted hello: the outer name counts", [name("www.example.org", .quic, isOuter: true)]) {
            [try initial(crypto(ClientHelloTests.encrypted.message))]
        },
        Row("another connection with another name", [found, name("b.test", .quic)]) {
            [try initial(crypto(hello)), try initial(crypto(HelloBuilder("b.test").message), keys: serverID + serverID)]
        },

        Row("without the fixed bit, which says nothing", [found, found, found]) {
            [
                try initial(crypto(hello)), try initial([2, 0, 0, 0, 0], 1, to: serverID, fixedBit: 0),
                opaque(2, to: serverID, fixedBit: 0),
            ]
        },
        Row("as many Initial packets as a burst may bear", [found]) {
            [try (0..<64).flatMap { try initial(crypto(hello), UInt64($0)) }]
        },
        Row("the packet of two keys where one is known", [name("b.test", .quic)]) { [twoKeys] },

        Row("a packet that opens with the keys of two connections", [found, .fault(.undecryptableInitial)]) {
            [try initial(crypto(hello)), twoKeys]
        },
        Row("a packet that opens with the keys of two known connections", [found, found, .fault(.undecryptableInitial)]) {
            [try initial(crypto(hello)), try initial(crypto(hello), keys: [0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8]), twoKeys]
        },
        Row("more Initial packets than a burst may bear", [.fault(.tooManyPieces)]) {
            [try (0..<65).flatMap { try initial(crypto(hello), UInt64($0)) }]
        },
        Row("a second hello beyond what is kept", [.needsMore, .needsMore, .needsMore, found, .fault(.tooLarge)]) {
            let first = HelloBuilder("www.example.org").with(0x15, [UInt8](repeating: 0, count: 16_200)).message
            let second = HelloBuilder("b.test").message
            var datagrams: [[UInt8]] = []
            for start in stride(from: 0, to: first.count, by: 4_200) {
                let piece = first[start..<min(first.count, start + 4_200)]
                datagrams.append(try initial(crypto(piece, at: start), UInt64(datagrams.count)))
            }
            return datagrams + [try initial(crypto(second, at: first.count), 9, to: serverID)]
        },
        Row("a second hello with another name", [found, .fault(.nameChanged)]) {
            [try initial(crypto(hello)), try initial(crypto(HelloBuilder("b.test").message, at: hello.count), 1, to: serverID)]
        },
        Row("two connections with two names in one datagram", [.fault(.nameChanged)]) {
            [try initial(crypto(hello)) + initial(crypto(HelloBuilder("b.test").message), keys: serverID + serverID)]
        },
        Row("a connection whose hello is not complete beside one that is", [.needsMore, .needsMore, .fault(.nameChanged)]) {
            let other = HelloBuilder("b.test").message
            return [
                try initial(crypto(other[..<50]), keys: serverID + serverID), try initial(crypto(hello)),
                try initial(crypto(other[50...], at: 50), 1, keys: serverID + serverID),
            ]
        },
        Row("frames that overlap and differ", [.fault(.overlapDiffers)]) {
            [try initial(crypto(hello[..<60]) + crypto([UInt8](repeating: 0x41, count: 30), at: 50))]
        },
        Row("datagrams that overlap and differ", [.needsMore, .fault(.overlapDiffers)]) {
            [try initial(crypto(hello[20...], at: 20)), try initial(crypto(HelloBuilder("ww2.example.org").message), 1)]
        },
        Row("a ServerHello", [.fault(.notClientHello)]) { [try initial(crypto(HelloBuilder.message(2, [1, 2, 3])))] },
        Row("no name", [.fault(.noServerName)]) { [try initial(crypto(HelloBuilder().message))] },
        Row("an address", [.fault(.addressLiteral)]) { [try initial(crypto(HelloBuilder("192.0.2.1").message))] },
        Row("a frame that cannot be there", [.fault(.malformedQUICFrame)]) { [try initial([8, 0, 1, 2])] },
        Row("a frame that is cut", [.fault(.malformedQUICFrame)]) {
            [try InitialSealer(originalID: id).packet(InitialSealer.padding(40) + [6, 0, 0x44, 0], destinationID: id)]
        },
        Row("an ACK of more ranges than there are", [.fault(.malformedQUICFrame)]) { [try initial([2, 5, 0, 0x80, 1, 0, 0])] },
        Row("other keys", [.fault(.undecryptableInitial)]) { [try initial(crypto(hello), keys: serverID, to: id)] },
        Row("no connection ID", [.fault(.undecryptableInitial)]) { [try initial(crypto(hello), to: [])] },
        Row("one byte changed", [.fault(.undecryptableInitial)]) {
            var packet = try initial(crypto(hello))
            packet[80] ^= 1
            return [packet]
        },
        Row("too short to be opened", [.fault(.undecryptableInitial)]) { [[0xc0, 0, 0, 0, 1, 1, 9, 0, 0, 2, 1, 2]] },
        Row("too many connections", Array(repeating: found, count: 8) + [.fault(.tooManyQUICConnections)]) {
            try (0..<9).map { try initial(crypto(hello), keys: [UInt8]($0..<($0 + 8))) }
        },
        Row("a future version", [.fault(.unknownQUICVersion)]) { [[0xc0, 0, 0, 0, 9, 1, 9, 0, 0, 2, 1, 2]] },
        Row("a version that is to be refused", [.fault(.unknownQUICVersion)]) { [[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 1, 9, 0]] },
        Row("draft 29", [.fault(.unknownQUICVersion)]) { [[0xc0, 0xff, 0, 0, 29, 1, 9, 0]] },
        Row("Version Negotiation", [.fault(.serverQUICPacket)]) { [[0x80, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 1]] },
        Row("a Retry", [.fault(.serverQUICPacket)]) { [[0xf0, 0, 0, 0, 1, 1, 9, 0, 1, 2, 3]] },
        Row("a Retry of version 2", [.fault(.serverQUICPacket)]) { [[0xc0, 0x6b, 0x33, 0x43, 0xcf, 1, 9, 0, 1, 2, 3]] },
        Row("a short header first", [.fault(.notQUIC)]) { [[0x40] + [UInt8](repeating: 1, count: 30)] },
        Row("DTLS", [.fault(.notQUIC)]) { [[22, 0xfe, 0xfd, 0, 0]] },
        Row("an empty datagram", [.fault(.notQUIC)]) { [[]] },
        Row("a connection ID of 21 bytes", [.fault(.malformedQUICPacket)]) { [[0xc0, 0, 0, 0, 1, 21] + [UInt8](repeating: 0, count: 40)] },
        Row("a length beyond the datagram", [.fault(.malformedQUICPacket)]) { [[0xc0, 0, 0, 0, 1, 1, 9, 0, 0, 0x44, 0xff, 1, 2]] },
        Row("a token beyond the datagram", [.fault(.malformedQUICPacket)]) {
            [[0xc0, 0, 0, 0, 1, 1, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]
        },
        Row("a header that is cut", [.fault(.malformedQUICPacket)]) { [[0xc0, 0, 0]] },
        Row("a packet of length 0 with 0-RTT", [.needsMore]) { [[0xd0, 0, 0, 0, 1, 1, 9, 0, 0]] },
    ]

    @Test(arguments: rows)
    func `a name is put together from datagrams`(row: Row) throws {
        var check = DatagramNameCheck()
        let datagrams = try row.datagrams()
        #expect(datagrams.count == row.readings.count)
        for (datagram, reading) in zip(datagrams, row.readings) { #expect(check.handle(datagram.span) == reading) }
    }

    @Test func `an aggregate is split where its segments end`() throws {
        let packets = [
            try Self.initial(Self.crypto(Self.large[..<Self.half]) + InitialSealer.padding(100)),
            try Self.initial(Self.crypto(Self.large[Self.half...], at: Self.half), 1),
        ]
        let size = packets[0].count
        #expect(packets[1].count < size)
        var known = DatagramNameCheck()
        #expect(known.handle((packets[0] + packets[1]).span, isAggregate: true, segmentBytes: size) == Self.found)
        // Of unknown size: packets say how long they are.
        var unknown = DatagramNameCheck()
        #expect(unknown.handle((packets[0] + packets[1]).span, isAggregate: true) == Self.found)
        // Something that could hide a beginning.
        var hidden = DatagramNameCheck()
        #expect(hidden.handle((packets[0] + [0x40, 1, 2, 3] + packets[1]).span, isAggregate: true) == .fault(.unreadableAggregate))
        // A hello in the token of another: as a datagram of its own the server would read it.
        let nested = try Self.initial(
            Self.crypto(Self.hello), token: Self.initial(Self.crypto(HelloBuilder("b.test").message), keys: [4, 4, 4, 4, 4, 4, 4, 4]))
        var outer = DatagramNameCheck()
        #expect(outer.handle(nested.span) == Self.found)
        var both = DatagramNameCheck()
        #expect(both.handle(nested.span, isAggregate: true) == .fault(.unreadableAggregate))
        let short = [UInt8](repeating: 0x55, count: 3_000)
        let behind = short + packets[0]
        let hides = (DatagramNameCheck.mayHideHello(short.span), DatagramNameCheck.mayHideHello(behind.span))
        #expect(hides == (false, true))
        var single = DatagramNameCheck()
        #expect(single.handle((packets[0] + [0x40, 1, 2, 3] + packets[1]).span) == .needsMore)
    }

    @Test(
        arguments: [
            (0, 10, []), (10, 10, [0..<10]), (11, 10, [0..<10, 10..<11]), (5, 0, [0..<5]), (25, 10, [0..<10, 10..<20, 20..<25]),
        ] as [(Int, Int, [Range<Int>])])
    func `all segments of an aggregate have one size but the last`(count: Int, segmentBytes: Int, ranges: [Range<Int>]) {
        #expect(Array(DatagramSplit(count: count, segmentBytes: segmentBytes)) == ranges)
    }

    @Test(arguments: UInt64(1)...10)
    func `however CRYPTO data is cut, and in whatever order, it tells the same`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var pieces = SegmentTests.cut(
            Self.large, at: Set((0..<10).map { _ in Int.random(in: 1..<Self.large.count, using: &generator) }).sorted())
        pieces.shuffle(using: &generator)
        var datagrams: [[UInt8]] = []
        for (number, piece) in pieces.enumerated() {
            let packet = try Self.initial(Self.crypto(piece.bytes, at: piece.offset), UInt64(number))
            if Bool.random(using: &generator), let last = datagrams.popLast() {
                datagrams.append(last + packet)
            } else {
                datagrams.append(packet)
            }
        }
        var check = DatagramNameCheck()
        var reading = NameReading.needsMore
        for datagram in datagrams {
            #expect(reading == .needsMore)
            reading = check.handle(datagram.span)
        }
        #expect(reading == Self.found)
    }
}
