/// An answer as clients get it, once a ``ServiceBindingPolicy`` has been applied to its HTTPS and SVCB records.
///
/// Done once, before the answer is kept. Whatever stands behind a shortened record moves up, and every compression pointer follows what it
/// points at (RFC 1035 §4.1.4).
public enum ServiceBindingRewrite: Sendable {
    /// Nothing is to be taken out.
    case none
    /// The whole message anew, without additional section but for its OPT record, and without AD: it is not what the upstream has validated.
    case message([UInt8], StrippedParameters)
    /// Something would have to be taken out of records that a signature covers.
    case signed

    /// What was cut out: from the first parameter of a record to its end.
    private struct Edit {
        let parameters: Range<Int>
        let rest: [UInt8]
        /// Where RDLENGTH stands, and what it becomes.
        let lengthOffset: Int
        let length: UInt16
        let type: RecordType
    }

    /// - Parameter message: the one that `response` was parsed from.
    /// - Throws: that there is too much to be done (`MessageScanner.workMax`); what the scanner says of messages that were not parsed.
    public init(of message: Span<UInt8>, _ response: DNSResponse, for policy: ServiceBindingPolicy) throws(MessageFault) {
        guard response.hasServiceBindings, policy.changesAnswers else {
            self = .none
            return
        }
        var scanner = MessageScanner(ofResponse: true, notesPointers: true)
        let question = try scanner.scanQuestion(message)
        let questionName = WireName(message, at: MessageScanner.headerLength, lowercased: true)
        let answerCount = Int(message.read16(at: 6))
        var edits: [Edit] = []
        var count = StrippedParameters()
        var covered: [RecordType] = []
        var offset = question.end
        for index in 0..<answerCount + Int(message.read16(at: 8)) {
            let record = try scanner.scanRecord(message, at: &offset, isAdditional: false)
            let data = Int(record.data)
            if record.type == .rrsig || record.type == .sig {
                let type = RecordType(rawValue: message.read16(at: data))
                if type.isServiceBinding, !covered.contains(type) { covered.append(type) }
            }
            guard record.type.isServiceBinding else { continue }
            let target = WireName(message, at: data + 2, lowercased: true)
            let parameters = data + 2 + target.count
            // Hints of an answer's record in ServiceMode were found to belong to what was asked for (ChainFindings).
            let mayBeOwn =
                policy.hints == .learn && index < answerCount && message.read16(at: data) != 0
                && ServiceParameters.haveHints(message, from: parameters, to: record.end)
            if mayBeOwn { try scanner.spend(2 * target.count) }
            let isOwn =
                mayBeOwn
                && (target.count == 1 || target.hasSameBytes(as: questionName)
                    || target.hasSameBytes(as: WireName(message, at: Int(record.owner), lowercased: true)))
            let keepsHints = policy.hints == .pass || isOwn
            guard
                let rest = ServiceParameters.stripped(
                    message, from: parameters, to: record.end, keepsHints: keepsHints, policy, &count)
            else { continue }
            edits.append(
                Edit(
                    parameters: parameters..<record.end, rest: rest, lengthOffset: data - 2,
                    length: UInt16(parameters - data + rest.count), type: record.type))
        }
        guard !edits.isEmpty else {
            self = .none
            return
        }
        guard !edits.contains(where: { covered.contains($0.type) }) else {
            self = .signed
            return
        }
        self = .message(Self.rewritten(message, response, edits, pointers: scanner.pointers), count)
    }

    private static func rewritten(_ message: Span<UInt8>, _ response: DNSResponse, _ edits: [Edit], pointers: [UInt16]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(message.count)
        var copied = 0
        /// By how much everything behind an edit moves up, those before it included.
        var shifts: [(end: Int, shift: Int)] = []
        shifts.reserveCapacity(edits.count)
        for edit in edits {
            for index in copied..<edit.parameters.lowerBound { result.append(message[index]) }
            let lengthOffset = result.count - (edit.parameters.lowerBound - edit.lengthOffset)
            result[lengthOffset] = UInt8(edit.length >> 8)
            result[lengthOffset + 1] = UInt8(truncatingIfNeeded: edit.length)
            result += edit.rest
            copied = edit.parameters.upperBound
            shifts.append((copied, copied - result.count))
        }
        for index in copied..<response.bodyEnd { result.append(message[index]) }
        // Names begin and end outside of what was cut out.
        func moved(_ offset: Int) -> Int {
            var (low, high) = (0, shifts.count)
            while low < high {
                let middle = (low + high) / 2
                if shifts[middle].end <= offset { low = middle + 1 } else { high = middle }
            }
            return low == 0 ? offset : offset - shifts[low - 1].shift
        }
        for pointer in pointers {
            let target = moved(Int(message.read16(at: Int(pointer)) & 0x3fff))
            let place = moved(Int(pointer))
            result[place] = 0xc0 | UInt8(target >> 8)
            result[place + 1] = UInt8(truncatingIfNeeded: target)
        }
        // The OPT record holds upper bits of the response code, and no names.
        result[10] = 0
        result[11] = 0
        if let opt = response.optOffset {
            let end = opt + 11 + Int(message.read16(at: opt + 9))
            for index in opt..<end { result.append(message[index]) }
            result[11] = 1
        }
        result[3] &= ~0x20
        return result
    }
}
