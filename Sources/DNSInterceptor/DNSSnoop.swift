import DNSMessages
import Enforcement
import NetworkTypes
import PacketHeaders

/// Reads the DNS of others on its way: what a trusted resolver answers a client is published before the client gets it, as if it had asked here.
///
/// Packets come whole, from their IP headers on, and wait until `question` or `answer` has said what becomes of them. An answer counts only for a question
/// that was seen; of TCP each end's bytes are let through in order alone. Nothing is changed in a message: what would have to be is dropped. Limits are in
/// ``SnoopLimits``; everything is counted.
public struct DNSSnoop: ~Copyable {
    private let counters: DNSCounters
    private let log: Ring<DNSLogRecord>?
    /// Otherwise everything passes, and only what is good teaches.
    private let isEnforcing: Bool
    private var questions: SnoopedQuestions
    private var connections: SnoopedConnections

    public init(counters: DNSCounters, log: Ring<DNSLogRecord>?, isEnforcing: Bool, limits: SnoopLimits = SnoopLimits()) {
        self.counters = counters
        self.log = log
        self.isEnforcing = isEnforcing
        questions = SnoopedQuestions(limits)
        connections = SnoopedConnections(limits)
    }

    // MARK: Packets

    /// What a client sends to a trusted resolver.
    ///
    /// - Parameter isOfNode: the node itself sends it. Then what cannot be read passes: it teaches nothing.
    public mutating func question<G: AnswerGate & ~Copyable>(
        _ packet: Span<UInt8>, isOfNode: Bool, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        guard let headers = try? PacketHeaders(parsing: packet), headers.payloadOffset <= packet.count else {
            counters.add(.snoopedQuestionsUnreadable)
            return isOfNode || !isEnforcing ? .pass : .drop
        }
        let ends = Ends(
            client: headers.source, port: headers.sourcePort, server: headers.destination, isStream: headers.transport == .tcp,
            isNode: isOfNode)
        let verdict =
            ends.isStream
            ? judge(segment: packet, headers, of: ends, isQuestion: true, now: now, gate: &gate)
            : judge(question: packet.extracting(headers.payloadOffset..<packet.count), of: ends, now: now, gate: &gate)
        return isEnforcing ? verdict : .pass
    }

    /// What a trusted resolver sends to a client.
    ///
    /// - Parameter isForNode: it is for the node itself. Then what nobody was seen to ask for passes without being read: the interceptor's own answers are
    ///   among it.
    public mutating func answer<G: AnswerGate & ~Copyable>(
        _ packet: Span<UInt8>, isForNode: Bool, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        guard let headers = try? PacketHeaders(parsing: packet), headers.payloadOffset <= packet.count else { return unreadableAnswer() }
        let ends = Ends(
            client: headers.destination, port: headers.destinationPort, server: headers.source, isStream: headers.transport == .tcp,
            isNode: isForNode)
        let verdict =
            ends.isStream
            ? judge(segment: packet, headers, of: ends, isQuestion: false, now: now, gate: &gate)
            : judge(answer: packet.extracting(headers.payloadOffset..<packet.count), to: ends, now: now, gate: &gate)
        return isEnforcing ? verdict : .pass
    }

    /// A packet from a trusted resolver of which nobody can say what is in it.
    public func unreadableAnswer() -> SnoopVerdict {
        counters.add(.snoopedMalformed)
        return isEnforcing ? .drop : .pass
    }

    /// Who asks whom.
    private struct Ends {
        let client: IPAddress
        let port: UInt16
        let server: IPAddress
        let isStream: Bool
        /// The client is the node itself.
        let isNode: Bool
    }

    // MARK: TCP

    private mutating func judge<G: AnswerGate & ~Copyable>(
        segment packet: Span<UInt8>, _ headers: PacketHeaders, of ends: Ends, isQuestion: Bool, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        let key = SnoopedConnections.Key(client: ends.client, clientPort: ends.port, server: ends.server)
        let payload = packet.extracting(headers.payloadOffset..<packet.count)
        let (isSYN, isACK) = (headers.tcpFlags & 0x02 != 0, headers.tcpFlags & 0x10 != 0)
        // SYN takes a number of its own (RFC 9293 §3.4).
        let number = Self.read32(packet, at: headers.transportOffset + 4) &+ (isSYN ? 1 : 0)
        if isQuestion, isSYN, connections[key]?.asked.start != number {
            guard connections.begin(key, SnoopedConnection(askedFrom: number, now: now)) else {
                counters.add(.snoopedConnectionsFull)
                return ends.isNode ? .pass : .drop
            }
        }
        guard var connection = connections.take(key) else {
            if ends.isNode || payload.count == 0 && !isSYN { return .pass }
            counters.add(.snoopedConnectionsUnknown)
            return isSYN ? .drop : .refuse
        }
        let before = connection.byteCount
        connection.lastSeen = now
        if !isQuestion, isSYN {
            let acknowledged = Self.read32(packet, at: headers.transportOffset + 8)
            guard isACK, connection.open(number: number, acknowledged: acknowledged) else {
                counters.add(.snoopedConnectionsUnknown)
                _ = connections.put(key, connection, bytesBefore: before)
                return .drop
            }
        }
        let isReset = headers.tcpFlags & 0x04 != 0
        // The reader may take urgent bytes out of the stream (RFC 6093 §3).
        let isUrgent = headers.tcpFlags & 0x20 != 0
        // What answers was not seen to begin.
        let isBegun = isQuestion || connection.answered != nil
        guard !isReset, !isUrgent, isBegun || payload.count == 0 else {
            if !isReset { counters.add(isUrgent ? .snoopedMalformed : .snoopedConnectionsUnknown) }
            _ = connections.put(key, connection, bytesBefore: before)
            connections.remove(key)
            return isReset ? .pass : .refuse
        }
        var (verdict, isGood) = (SnoopVerdict.pass, true)
        let step = (isQuestion ? connection.asked : connection.answered)?.step(number: number, count: payload.count)
        if payload.count > 0, step == .apart {
            counters.add(.snoopedSegmentsApart)
            verdict = .drop
        } else if payload.count > 0, case .new(let skipped) = step {
            let bytes = payload.extracting(skipped..<payload.count)
            isGood =
                isQuestion
                ? connection.asked.take(bytes) { judge(question: $0, of: ends, now: now, gate: &gate) == .pass }
                : connection.answered?.take(bytes) { judge(answer: $0, to: ends, now: now, gate: &gate) == .pass } ?? false
        }
        if !isQuestion, headers.tcpFlags & 0x01 != 0, connection.answered?.next == number &+ UInt32(payload.count) {
            connection.isOver = true
        }
        guard connections.put(key, connection, bytesBefore: before) else {
            counters.add(.snoopedConnectionsFull)
            return ends.isNode ? .pass : .refuse
        }
        guard isGood else {
            connections.remove(key)
            return .refuse
        }
        return verdict
    }

    private static func read32(_ packet: Span<UInt8>, at offset: Int) -> UInt32 {
        (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(packet[offset + $1]) }
    }

    // MARK: Questions

    private mutating func judge<G: AnswerGate & ~Copyable>(
        question message: Span<UInt8>, of ends: Ends, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        let head: QueryHead
        do throws(MessageFault) {
            head = try QueryHead(scanning: message)
        } catch {
            counters.addMalformedQuery(error)
            counters.add(.snoopedQuestionsUnreadable)
            return ends.isNode ? .pass : .refuse
        }
        guard let client = gate.client(at: ends.client) else {
            counters.add(.refusedUnknownClient)
            return ends.isNode ? .pass : .refuse
        }
        if gate.refusesNames, let refusal = gate.refusal(of: DNSQuery(head, of: message).qname, client: client) {
            note(message, .refused, ends, cause: count(refusal.reason), now: now, rule: refusal.rule)
            return .refuse
        }
        guard questions.note(key(message, upTo: head.questionEnd, ends), now: now) else {
            counters.add(.snoopedQuestionsFull)
            // Its answer would not be known; the node's own passes all the same, and teaches nothing.
            return ends.isNode ? .pass : .drop
        }
        counters.add(.snoopedQuestions)
        return .pass
    }

    /// The question of a message, with its name in lower case; the hash is drawn anew for each process.
    private func key(_ message: Span<UInt8>, upTo end: Int, _ ends: Ends) -> SnoopedQuestions.Key {
        var hasher = Hasher()
        for index in 12..<end {
            let byte = message[index]
            hasher.combine(index < end - 4 && byte &- 0x41 < 26 ? byte | 0x20 : byte)
        }
        return SnoopedQuestions.Key(
            client: ends.client, clientPort: ends.port, server: ends.server, isStream: ends.isStream,
            id: UInt16(message[0]) << 8 | UInt16(message[1]), hash: hasher.finalize())
    }

    // MARK: Answers

    private mutating func judge<G: AnswerGate & ~Copyable>(
        answer message: Span<UInt8>, to ends: Ends, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        guard message.count >= 12, message[2] & 0x80 != 0 else {
            counters.add(.snoopedMalformed)
            return ends.isNode ? .pass : .drop
        }
        // A complaint may come without the question (RFC 6891 §7). It holds no records either, so that it is anybody's.
        if message.count == 12 {
            counters.add(.snoopedEmpty)
            return .pass
        }
        guard let end = Self.questionEnd(message) else {
            counters.add(.snoopedMalformed)
            return ends.isNode ? .pass : .drop
        }
        let key = key(message, upTo: end, ends)
        guard let askedAt = questions.askedAt(key, now: now) else {
            counters.add(ends.isNode ? .snoopedUnread : .snoopedUnasked)
            return ends.isNode ? .pass : .drop
        }
        let verdict = teach(message, ends, askedAt: askedAt, now: now, gate: &gate)
        // What was dropped may have been forged: the true one may still come.
        if verdict == .pass { questions.remove(key) }
        return verdict
    }

    /// Where the question ends whose name, the first of the message, is never compressed.
    private static func questionEnd(_ message: Span<UInt8>) -> Int? {
        var offset = 12
        while offset < message.count, message[offset] != 0 {
            guard message[offset] < 64 else { return nil }
            offset += 1 + Int(message[offset])
        }
        return offset + 5 <= message.count ? offset + 5 : nil
    }

    /// Publishes what an answer teaches its client.
    private func teach<G: AnswerGate & ~Copyable>(
        _ message: Span<UInt8>, _ ends: Ends, askedAt: Instant, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        // Without answer records there is nothing to learn, whatever else it holds.
        guard message[6] | message[7] != 0 else {
            counters.add(.snoopedEmpty)
            note(message, .snooped, ends, askedAt: askedAt, now: now)
            return .pass
        }
        let response: DNSResponse
        do throws(MessageFault) {
            response = try DNSResponse(parsing: message)
        } catch {
            counters.addMalformedAnswer(error)
            counters.add(.snoopedMalformed)
            return .drop
        }
        guard let client = gate.client(at: ends.client) else {
            counters.add(.refusedUnknownClient)
            return .drop
        }
        guard !response.addresses.isEmpty else {
            counters.add(.snoopedEmpty)
            note(message, .snooped, ends, askedAt: askedAt, now: now)
            return .pass
        }
        let release = gate.learn(
            response.qname, addresses: response.addresses, timeToLiveSeconds: response.minimumTTL ?? 0, client: client, now: now)
        if case .refuse(let refusal) = release {
            note(message, .refused, ends, cause: count(refusal), askedAt: askedAt, now: now)
            return .drop
        }
        counters.add(.snoopedLearned)
        note(message, .snooped, ends, askedAt: askedAt, now: now)
        return .pass
    }

    private func count(_ refusal: AnswerRefusal) -> DNSCounter {
        counters.add(.snoopedRefused)
        counters.add(refusal.counter)
        return refusal.counter
    }

    private func note(
        _ message: Span<UInt8>, _ lookup: DNSLogRecord.Lookup, _ ends: Ends, cause: DNSCounter? = nil, askedAt: Instant? = nil,
        now: Instant, rule: String? = nil
    ) {
        guard let log else { return }
        log.append(
            DNSLogRecord(
                time: now, source: ends.client, classNumber: 0, lookup: lookup, cause: cause, server: ends.server,
                latencyNanoseconds: askedAt.map { now.nanoseconds(since: $0) }, answeredAt: now,
                responseCode: cause == nil ? nil : .refused, reply: message, rule: rule))
    }
}
