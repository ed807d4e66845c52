import NameInspection
import Testing

/// Segments of one TCP connection, in every order and shape.
struct SegmentTests {
    struct Segment: Sendable {
        var offset: Int
        var bytes: [UInt8]
        var flags: UInt8 = 0x18
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let segments: [Segment]
        let reading: NameReading

        init(_ text: String, _ segments: [Segment], _ reading: NameReading) {
            testDescription = text
            self.segments = segments
            self.reading = reading
        }
    }

    static let hello = HelloBuilder("www.example.org").records()
    static let large = HelloBuilder("www.example.org").postQuantum().records()
    static let request = HTTPHostTests.head("GET / HTTP/1.1", "Host: www.example.org")
    /// Where the name stands in the hello.
    static let nameOffset: Int = {
        let wanted = Array("www.example.org".utf8)
        return (0...(hello.count - wanted.count)).first { Array(hello[$0..<($0 + wanted.count)]) == wanted } ?? 0
    }()

    static func cut(_ bytes: [UInt8], at places: [Int]) -> [Segment] {
        let ends = places + [bytes.count]
        return zip([0] + places, ends).map { Segment(offset: $0, bytes: Array(bytes[$0..<$1])) }
    }

    static func pieces(_ bytes: [UInt8], of size: Int) -> [Segment] {
        cut(bytes, at: Array(stride(from: size, to: bytes.count, by: size)))
    }

    static func changed(_ segment: Segment, at place: Int) -> Segment {
        var other = segment
        other.bytes[place] ^= 0x20
        return other
    }

    private static let inName = cut(hello, at: [nameOffset + 4])

    static let rows: [Row] = [
        Row("in one", [Segment(offset: 0, bytes: hello)], name("www.example.org")),
        Row("split inside the name", inName, name("www.example.org")),
        Row("reversed", inName.reversed(), name("www.example.org")),
        Row("three, the middle one last", [0, 2, 1].map { cut(hello, at: [40, 90])[$0] }, name("www.example.org")),
        Row("post-quantum, in two", pieces(large, of: 1_448), name("www.example.org")),
        Row("post-quantum, reversed", pieces(large, of: 200).reversed(), name("www.example.org")),
        Row("sent again", [inName[0], inName[0], inName[1]], name("www.example.org")),
        Row(
            "overlapping and equal", [Segment(offset: 0, bytes: Array(hello[..<90])), Segment(offset: 40, bytes: Array(hello[40...]))],
            name("www.example.org")),
        Row(
            "one that holds another", [Segment(offset: 30, bytes: Array(hello[30..<60])), Segment(offset: 0, bytes: hello)],
            name("www.example.org")),
        Row("a keepalive first", [Segment(offset: -1, bytes: [0]), Segment(offset: 0, bytes: hello)], name("www.example.org")),
        Row("bytes before the start are not part of it", [Segment(offset: -3, bytes: [1, 2, 3] + hello)], name("www.example.org")),
        Row("data of a SYN", [Segment(offset: -1, bytes: hello, flags: 0x02)], name("www.example.org")),
        Row(
            "part of it with the SYN",
            [Segment(offset: -1, bytes: Array(hello[..<50]), flags: 0x02), Segment(offset: 50, bytes: Array(hello[50...]))],
            name("www.example.org")),
        Row("a request", [Segment(offset: 0, bytes: request)], name("www.example.org", .http)),
        Row("a request byte by byte, reversed", pieces(request, of: 4).reversed(), name("www.example.org", .http)),
        Row(
            "more than is kept, the name in front", [Segment(offset: 0, bytes: request + [UInt8](repeating: 65, count: 60_000))],
            name("www.example.org", .http)),

        Row(
            "overlapping and different",
            [Segment(offset: 0, bytes: Array(hello[..<90])), changed(Segment(offset: 40, bytes: Array(hello[40...])), at: 10)],
            .fault(.overlapDiffers)),
        Row("sent again with another name", [inName[1], changed(inName[1], at: 0), inName[0]], .fault(.overlapDiffers)),
        Row(
            "a different byte in the middle of a gap that is filled",
            [cut(hello, at: [40, 90])[2], changed(Segment(offset: 0, bytes: hello), at: 100)], .fault(.overlapDiffers)),
        Row("urgent data", [Segment(offset: 0, bytes: Array(hello[..<60]), flags: 0x38)], .fault(.urgentData)),
        Row("a gap that stays", [inName[1]], .needsMore),
        Row("far beyond", [Segment(offset: 100_000, bytes: [1])], .needsMore),
        Row("too many gaps", (0..<49).map { Segment(offset: 3 + 4 * $0, bytes: [1]) }, .fault(.tooManyPieces)),
        Row(
            "a head that does not end",
            [Segment(offset: 0, bytes: Array("GET / HTTP/1.1\r\nA: ".utf8) + [UInt8](repeating: 65, count: 20_000))], .fault(.tooLarge)),
        Row("something else", [Segment(offset: 0, bytes: [0, 1, 2, 3])], .fault(.unknownProtocol)),
        Row("lower case", [Segment(offset: 0, bytes: Array("get / HTTP/1.1\r\n".utf8))], .fault(.unknownProtocol)),
    ]

    /// The numbers of SYNs: small, and such that the numbers of the data wrap around.
    static let synSequences: [UInt32] = [0, 1_000, .max, .max - 40, 0x7fff_ffff, 0x8000_0000 - 60]

    @Test(arguments: rows)
    func `a name is put together from segments`(row: Row) {
        for synSequence in Self.synSequences {
            var check = StreamNameCheck(synSequence: synSequence)
            var reading = NameReading.needsMore
            for segment in row.segments {
                let before = reading
                reading =
                    check.handle(
                        sequence: UInt32(truncatingIfNeeded: Int(synSequence) + 1 + segment.offset), flags: segment.flags,
                        segment.bytes.span
                    ).reading
                if before != .needsMore { #expect(reading == before) }
            }
            #expect(reading == row.reading, "SYN \(synSequence)")
        }
    }

    @Test(arguments: UInt64(1)...20)
    func `however a hello is cut, and in whatever order, it tells the same`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for whole in [Self.hello, Self.large, Self.request] {
            for _ in 0..<20 {
                let places = Set(
                    (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                        Int.random(in: 1..<whole.count, using: &generator)
                    }
                ).sorted()
                var segments = Self.cut(whole, at: places)
                // Some come twice, some reach back into what came before.
                for index in segments.indices where Int.random(in: 0..<4, using: &generator) == 0 {
                    let start = Int.random(in: 0...segments[index].offset, using: &generator)
                    let end = segments[index].offset + segments[index].bytes.count
                    segments.append(Segment(offset: start, bytes: Array(whole[start..<end])))
                }
                segments.shuffle(using: &generator)
                var check = StreamNameCheck(synSequence: .max - 100)
                var reading = NameReading.needsMore
                for segment in segments {
                    reading =
                        check.handle(sequence: UInt32(truncatingIfNeeded: Int(UInt32.max) - 99 + segment.offset), segment.bytes.span)
                        .reading
                }
                #expect(reading == name("www.example.org", whole == Self.request ? .http : .tls), "seed \(seed): \(places)")
            }
        }
    }

    @Test func `a segment that brings nothing is known as such`() {
        var check = StreamNameCheck(synSequence: 9)
        #expect(check.handle(sequence: 10, Array(Self.hello[..<50]).span).isNew)
        #expect(!check.handle(sequence: 10, Array(Self.hello[..<50]).span).isNew)
        #expect(!check.handle(sequence: 20, Array(Self.hello[10..<30]).span).isNew)
        #expect(check.handle(sequence: 20, Array(Self.hello[10..<51]).span).isNew)
        #expect(check.handle(sequence: 100_000, [1].span).isNew)
    }

    @Test func `no more than the limit is kept`() {
        var buffer = SegmentBuffer(synSequence: 0)
        let payload = [UInt8](repeating: 22, count: 40_000)
        #expect(throws: Never.self) { try buffer.insert(sequence: 1, payload.span) }
        #expect(buffer.byteCount == 16_384)
        #expect(buffer.contiguousBytes == [UInt8](repeating: 22, count: 16_384))
    }
}
