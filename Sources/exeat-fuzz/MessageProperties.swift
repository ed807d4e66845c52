import DNSMessages

/// Properties of the DNS message parsers.
enum MessageProperties {
    /// A query that passes can be answered and asked on, and both messages are good; one that does not is answered as its fault says.
    static func scanQuery(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        var bytes = [UInt8](repeating: 0xee, count: 600)
        let query: DNSQuery
        do throws(MessageFault) {
            query = try DNSQuery(scanning: input.span)
        } catch {
            var buffer = bytes.mutableSpan
            let length = DNSReply.write(error, toMalformed: input.span, into: &buffer)
            guard (length != nil) == (error.queryResponseCode != nil) else {
                throw FuzzTarget.Violation(reason: "\(error.label) is not answered as it says")
            }
            return FuzzTarget.Outcome(kind: Int(error.rawValue))
        }
        _ = query.qname
        var buffer = bytes.mutableSpan
        let reason = ExtendedDNSError.prohibited("no rule allows this name")
        guard let refused = DNSReply.write(.refused, to: query, extendedError: reason, into: &buffer) else {
            throw FuzzTarget.Violation(reason: "a refusal does not fit")
        }
        guard let response = try? parse(bytes, refused), response.rcode == .refused, response.id == query.id else {
            throw FuzzTarget.Violation(reason: "our own refusal is malformed")
        }
        let caseBits = SIMD4<UInt64>(repeating: 0xaaaa_5555_0f0f_3333)
        guard let asked = write(query, caseBits, into: &bytes), let again = try? scan(bytes, asked), again.cacheKey == query.cacheKey else {
            throw FuzzTarget.Violation(reason: "our own query is malformed or asks something else")
        }
        return FuzzTarget.Outcome(kind: 256 + (query.edns == nil ? 0 : 1))
    }

    /// A response that passes is read alike by libldns, and what a client is given of it yields the same addresses.
    static func parseResponse(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        let response: DNSResponse
        do throws(MessageFault) {
            response = try DNSResponse(parsing: input.span)
        } catch {
            guard error != .parserDisagreement else { throw FuzzTarget.Violation(reason: "libldns reads it otherwise") }
            return FuzzTarget.Outcome(kind: Int(error.rawValue))
        }
        // The client's question is the response's own, sent back with QR clear.
        var question = Array(input[..<response.questionEnd])
        question[2] &= 0x7f
        for index in 6..<12 { question[index] = 0 }
        guard let query = try? scan(question, question.count) else {
            throw FuzzTarget.Violation(reason: "the question of a good response is no good query")
        }
        var bytes = [UInt8](repeating: 0xee, count: response.bodyEnd + 11)
        guard let length = write(input, response, query, into: &bytes), let again = try? parse(bytes, length) else {
            throw FuzzTarget.Violation(reason: "what the client is given is malformed")
        }
        guard again.isTruncated || again.addresses == response.addresses, again.minimumTTL ?? 0 <= 60 else {
            throw FuzzTarget.Violation(reason: "the client is given something else")
        }
        try rewrite(input, response)
        return FuzzTarget.Outcome(kind: 256 + min(response.addresses.count, 8) + 16 * min(response.chainLength, 4))
    }

    /// What the log says of a reply is printable, of a part no more than of the whole, and has the addresses that the reply has.
    static func readReply(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        guard let reply = ReplyText(input.span) else { return FuzzTarget.Outcome(kind: 0) }
        let (records, missing) = reply.records(in: input.span)
        let announced = Int(input[6]) << 8 | Int(input[7])
        guard records.count + missing == announced else { throw FuzzTarget.Violation(reason: "records are neither there nor missing") }
        for text in [reply.qname.description] + records.flatMap({ [$0.owner.description, $0.data] }) {
            guard text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else { throw FuzzTarget.Violation(reason: "not printable") }
        }
        let part = Array(input.prefix(input.count - input.count / 4))
        if let ofPart = ReplyText(part.span)?.records(in: part.span).records {
            guard records.starts(with: ofPart) else { throw FuzzTarget.Violation(reason: "a part has what the whole has not") }
        }
        if let response = try? DNSResponse(parsing: input.span) {
            // Hints of service bindings are addresses, too, and stand in the log as bytes.
            let hasAll = missing == 0 && !records.contains { $0.type == .https || $0.type == .svcb }
            guard response.qname == reply.qname,
                !hasAll || Set(response.addresses.map(\.description)).isSubset(of: records.map(\.data))
            else { throw FuzzTarget.Violation(reason: "the reply says something else") }
        }
        return FuzzTarget.Outcome(kind: 1 + min(records.count, 15) + 16 * min(missing, 1))
    }

    /// What is left of service bindings is good, bears no more to take out, and hands out no address that was not there.
    private static func rewrite(_ input: [UInt8], _ response: DNSResponse) throws(FuzzTarget.Violation) {
        for hints in ServiceBindingPolicy.Hints.allCases {
            var policy = ServiceBindingPolicy()
            policy.hints = hints
            policy.http3 = .strip
            let outcome: ServiceBindingRewrite
            do throws(MessageFault) {
                outcome = try ServiceBindingRewrite(of: input.span, response, for: policy)
            } catch .tooMuchWork {
                continue
            } catch {
                throw FuzzTarget.Violation(reason: "a good response cannot be rewritten")
            }
            guard case .message(let bytes, _) = outcome else { continue }
            guard let again = try? parse(bytes, bytes.count) else { throw FuzzTarget.Violation(reason: "what was rewritten is malformed") }
            guard again.rcode == response.rcode, again.ttlOffsets.count == response.ttlOffsets.count,
                again.questionEnd == response.questionEnd, again.bodyEnd < response.bodyEnd,
                Set(again.addresses).isSubset(of: response.addresses), again.minimumTTL == response.minimumTTL,
                again.negativeTTL == response.negativeTTL
            else { throw FuzzTarget.Violation(reason: "what was rewritten says something else") }
            guard let twice = try? ServiceBindingRewrite(of: bytes.span, again, for: policy), case .none = twice else {
                throw FuzzTarget.Violation(reason: "there was more to take out")
            }
        }
    }

    private static func scan(_ bytes: [UInt8], _ count: Int) throws(MessageFault) -> DNSQuery {
        try DNSQuery(scanning: bytes.span.extracting(first: count))
    }

    private static func parse(_ bytes: [UInt8], _ count: Int) throws(MessageFault) -> DNSResponse {
        try DNSResponse(parsing: bytes.span.extracting(first: count))
    }

    private static func write(_ query: DNSQuery, _ caseBits: SIMD4<UInt64>, into bytes: inout [UInt8]) -> Int? {
        var buffer = bytes.mutableSpan
        return UpstreamQuery.write(for: query, id: 1, caseBits: caseBits, into: &buffer)
    }

    private static func write(_ stored: [UInt8], _ response: DNSResponse, _ query: DNSQuery, into bytes: inout [UInt8]) -> Int? {
        var buffer = bytes.mutableSpan
        return DNSReply.write(
            stored.span, of: response, to: query, ageSeconds: 1, timeToLiveCapSeconds: 60, sizeMax: 65_535, into: &buffer)
    }
}
