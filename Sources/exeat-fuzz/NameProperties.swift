import NameInspection

/// Properties of what reads names out of first bytes.
enum NameProperties {
    /// A shorter piece tells the same or nothing, and segments in any order tell what the whole does.
    static func hello(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        let reading = ClientHelloReader.read(input.span)
        for count in places(in: input) {
            let piece = ClientHelloReader.read(input.span.extracting(first: count))
            guard piece == .needsMore || piece == reading else {
                throw FuzzTarget.Violation(reason: "\(count) bytes tell \(piece), all tell \(reading)")
            }
        }
        // What is no hello may be a request to a stream.
        if input.first == 22 { try compareSegments(input, reading) }
        return outcome(reading)
    }

    static func request(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        let reading = HTTPHostReader.read(input.span)
        for count in places(in: input) {
            let piece = HTTPHostReader.read(input.span.extracting(first: count))
            guard piece == .needsMore || piece == reading else {
                throw FuzzTarget.Violation(reason: "\(count) bytes tell \(piece), all tell \(reading)")
            }
        }
        if let first = input.first, (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first) { try compareSegments(input, reading) }
        return outcome(reading)
    }

    private static func compareSegments(_ input: [UInt8], _ reading: NameReading) throws(FuzzTarget.Violation) {
        let places = places(in: input).filter { $0 > 0 && $0 < input.count }
        for isReversed in [false, true] {
            var check = StreamNameCheck(synSequence: .max - 20)
            let cuts = Array(zip([0] + places, places + [input.count]))
            var told = NameReading.needsMore
            for (start, end) in isReversed ? cuts.reversed() : cuts {
                told = check.handle(sequence: UInt32(truncatingIfNeeded: Int(UInt32.max) - 19 + start), input[start..<end].span).reading
            }
            guard told == reading else { throw FuzzTarget.Violation(reason: "segments at \(places) tell \(told), the whole \(reading)") }
        }
    }

    /// Input: segments of an offset of two bytes, a length and a byte that is repeated. The buffer is what a table of bytes says, and
    /// refuses exactly what differs from it.
    static func segments(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        var limits = NameCheckLimits()
        limits.bytesPerFlow = 4_096
        var buffer = SegmentBuffer(synSequence: .max - 1_000, limits: limits)
        var model = [UInt8?](repeating: nil, count: limits.bytesPerFlow)
        for index in stride(from: 0, to: input.count - 3, by: 4) {
            let offset = Int(input[index]) << 8 | Int(input[index + 1]) - 16
            let payload = [UInt8](repeating: input[index + 3], count: Int(input[index + 2]))
            let covered = (offset..<(offset + payload.count)).clamped(to: 0..<limits.bytesPerFlow)
            let differs = covered.contains { model[$0].map { $0 != input[index + 3] } ?? false }
            let isNew: Bool
            do throws(NameFault) {
                isNew = try buffer.insert(sequence: UInt32(truncatingIfNeeded: Int(UInt32.max) - 999 + offset), payload.span)
            } catch {
                guard (error == .overlapDiffers) == differs, differs || error == .tooManyPieces else {
                    throw FuzzTarget.Violation(reason: "segment \(index / 4): \(error.label)")
                }
                return FuzzTarget.Outcome(kind: Int(error.rawValue))
            }
            let bringsNew = covered.contains { model[$0] == nil } || (!payload.isEmpty && offset + payload.count > limits.bytesPerFlow)
            guard isNew == bringsNew else { throw FuzzTarget.Violation(reason: "segment \(index / 4) is new: \(isNew)") }
            guard !differs else { throw FuzzTarget.Violation(reason: "segment \(index / 4) differs and was taken") }
            for place in covered { model[place] = input[index + 3] }
        }
        let count = model.firstIndex { $0 == nil } ?? model.count
        guard buffer.contiguousBytes == model[..<count].map({ $0 ?? 0 }) else {
            throw FuzzTarget.Violation(reason: "\(buffer.contiguousCount) bytes in place of \(count)")
        }
        return FuzzTarget.Outcome(kind: 256 + min(count, 4_096) / 16)
    }

    /// The same datagram tells the same; read as an aggregate of unknown size it tells no other name.
    static func datagrams(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        var check = DatagramNameCheck()
        let reading = check.handle(input.span)
        var again = DatagramNameCheck()
        guard again.handle(input.span) == reading else { throw FuzzTarget.Violation(reason: "the same datagram tells something else") }
        var aggregate = DatagramNameCheck()
        let read = aggregate.handle(input.span, isAggregate: true)
        guard read == reading || read == .fault(.unreadableAggregate) else {
            throw FuzzTarget.Violation(reason: "as an aggregate it tells \(read), as one datagram \(reading)")
        }
        for count in places(in: input) {
            var shorter = DatagramNameCheck()
            // A packet that is cut is malformed: no piece may tell another name.
            if case .name(let name) = shorter.handle(input.span.extracting(first: count)), case .name(let whole) = reading, name != whole {
                throw FuzzTarget.Violation(reason: "\(count) bytes tell \(name), all tell \(whole)")
            }
        }
        return outcome(reading)
    }

    /// Frames that are read twice, or in two connections, tell the same.
    static func frames(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        let reading = read(frames: input, times: 1)
        let twice = read(frames: input, times: 2)
        guard reading == twice else { throw FuzzTarget.Violation(reason: "once it tells \(reading), sent twice \(twice)") }
        return outcome(reading)
    }

    private static func read(frames: [UInt8], times: Int) -> NameReading {
        var connection = QUICConnection(originalID: [1, 2, 3, 4, 5, 6, 7, 8])
        do throws(NameFault) {
            for _ in 0..<times { try connection.take(frames: frames.span) }
            return connection.name.map { .name($0) } ?? .needsMore
        } catch {
            return .fault(error)
        }
    }

    /// A few places at which to cut, ascending, that follow from the input.
    private static func places(in input: [UInt8]) -> [Int] {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in input { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var places: Set<Int> = []
        for _ in 0..<6 where input.count > 1 {
            hash = hash &* 0x5851_f42d_4c95_7f2d &+ 1
            places.insert(Int(hash >> 33) % input.count)
        }
        return places.sorted()
    }

    private static func outcome(_ reading: NameReading) -> FuzzTarget.Outcome {
        switch reading {
        case .needsMore: FuzzTarget.Outcome(kind: 1_024)
        case .fault(let fault): FuzzTarget.Outcome(kind: Int(fault.rawValue))
        case .name(let seen): FuzzTarget.Outcome(kind: 256 + min(seen.name.labelCount, 8) * 2 + (seen.isOuter ? 1 : 0))
        }
    }
}
