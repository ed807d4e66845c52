import DNSMessages
import Enforcement
import NetworkTypes
import PacketHeaders

/// Reads the DNS of others on its way: what a trusted resolver answers a client is published before the client gets it, as if it had asked here.
///
/// Packets come whole, from their IP headers on, and wait until `question` or `answer` has said what becomes of them. Over UDP an answer counts only for a
/// question that was seen; over TCP the connection stands for it, whose bytes are let through in order alone. Nothing is changed in a message: what would
/// have to be is dropped. Limits are in ``SnoopLimits``; everything is counted.
public struct DNSSnoop: ~Copyable {
    private struct StreamKey: Hashable {
        let client: IPAddress
        let clientPort: UInt16
        let server: IPAddress
    }

    private let counters: DNSCounters
    private let log: Ring<DNSLogRecord>?
    /// Otherwise everything passes, and only what is good teaches.
    private let isEnforcing: Bool
    private let limits: SnoopLimits
    private var questions: SnoopedQuestions
    private var streams: [StreamKey: SnoopedStream] = [:]
    private var streamsByClient: [IPAddress: Int] = [:]
    private var streamBytes = 0
    private var lastSweep = Instant(nanoseconds: 0)

    public init(counters: DNSCounters, log: Ring<DNSLogRecord>?, isEnforcing: Bool, limits: SnoopLimits = SnoopLimits()) {
        self.counters = counters
        self.log = log
        self.isEnforcing = isEnforcing
        self.limits = limits
        questions = SnoopedQuestions(limits)
    }

    // MARK: Questions

    /// A datagram to a trusted resolver.
    ///
    /// - Parameter isOfNode: the node itself sends it. Then what cannot be read passes: it teaches nothing.
    public mutating func question<G: AnswerGate & ~Copyable>(
        _ packet: Span<UInt8>, isOfNode: Bool, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        let verdict = judgeQuestion(packet, isOfNode: isOfNode, now: now, gate: &gate)
        return isEnforcing ? verdict : .pass
    }

    private mutating func judgeQuestion<G: AnswerGate & ~Copyable>(
        _ packet: Span<UInt8>, isOfNode: Bool, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        guard let headers = try? PacketHeaders(parsing: packet), headers.transport == .udp, headers.payloadOffset <= packet.count else {
            counters.add(.snoopedQuestionsUnreadable)
            return isOfNode ? .pass : .drop
        }
        let message = packet.extracting(headers.payloadOffset..<packet.count)
        let head: QueryHead
        do throws(MessageFault) {
            head = try QueryHead(scanning: message)
        } catch {
            counters.addMalformedQuery(error)
            counters.add(.snoopedQuestionsUnreadable)
            return isOfNode ? .pass : .refuse
        }
        guard let client = gate.client(at: headers.source) else {
            counters.add(.refusedUnknownClient)
            return isOfNode ? .pass : .refuse
        }
        if gate.refusesNames, let refusal = gate.refusal(of: DNSQuery(head, of: message).qname, client: client) {
            let cause = count(refusal.reason)
            note(message, .refused, headers.source, cause: cause, server: headers.destination, now: now, rule: refusal.rule)
            return .refuse
        }
        let key = SnoopedQuestions.Key(
            client: headers.source, clientPort: headers.sourcePort, server: headers.destination, id: head.id)
        let question = SnoopedQuestions.Question(
            askedAt: now, hash: Self.hash(message, upTo: head.questionEnd), end: head.questionEnd)
        guard questions.note(key, question, now: now) else {
            counters.add(.snoopedQuestionsFull)
            // Its answer would not be known; the node's own passes all the same, and teaches nothing.
            return isOfNode ? .pass : .drop
        }
        counters.add(.snoopedQuestions)
        return .pass
    }

    // MARK: Answers

    /// A packet from a trusted resolver.
    ///
    /// - Parameter isForNode: it is for the node itself. Then what nobody was seen to ask for passes without being read: the interceptor's own answers are
    ///   among it.
    public mutating func answer<G: AnswerGate & ~Copyable>(
        _ packet: Span<UInt8>, isForNode: Bool, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        let verdict: SnoopVerdict
        if let headers = try? PacketHeaders(parsing: packet), headers.payloadOffset <= packet.count {
            switch headers.transport {
            case .udp: verdict = judgeDatagram(packet, headers, isForNode: isForNode, now: now, gate: &gate)
            case .tcp: verdict = judgeSegment(packet, headers, now: now, gate: &gate)
            default: verdict = .drop
            }
        } else {
            counters.add(.snoopedMalformed)
            verdict = .drop
        }
        return isEnforcing ? verdict : .pass
    }

    private mutating func judgeDatagram<G: AnswerGate & ~Copyable>(
        _ packet: Span<UInt8>, _ headers: PacketHeaders, isForNode: Bool, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        let message = packet.extracting(headers.payloadOffset..<packet.count)
        guard message.count >= 12, message[2] & 0x80 != 0 else {
            counters.add(.snoopedMalformed)
            return isForNode ? .pass : .drop
        }
        let key = SnoopedQuestions.Key(
            client: headers.destination, clientPort: headers.destinationPort, server: headers.source,
            id: UInt16(message[0]) << 8 | UInt16(message[1]))
        guard let question = questions.question(key, now: now) else {
            counters.add(.snoopedUnasked)
            return isForNode ? .pass : .drop
        }
        // A complaint may come without the question (RFC 6891 §7); it holds no records either.
        if message.count == 12 {
            counters.add(.snoopedEmpty)
            return .pass
        }
        guard message.count >= question.end, Self.hash(message, upTo: question.end) == question.hash else {
            counters.add(.snoopedUnasked)
            return .drop
        }
        let verdict = teach(
            message, client: headers.destination, server: headers.source, askedAt: question.askedAt, now: now, gate: &gate)
        // What was dropped may have been forged: the true one may still come.
        if verdict == .pass { questions.remove(key) }
        return verdict
    }

    private mutating func judgeSegment<G: AnswerGate & ~Copyable>(
        _ packet: Span<UInt8>, _ headers: PacketHeaders, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        let key = StreamKey(client: headers.destination, clientPort: headers.destinationPort, server: headers.source)
        let at = headers.transportOffset + 4
        var number = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(packet[at + $1]) }
        // SYN: the connection begins, or does so again.
        if headers.tcpFlags & 0x02 != 0 {
            number &+= 1
            if streams[key]?.start == number { return .pass }
            remove(key)
            guard makeRoom(for: key.client, now: now) else {
                counters.add(.snoopedStreamsFull)
                return .drop
            }
            streams[key] = SnoopedStream(start: number, now: now)
            streamsByClient[key.client, default: 0] += 1
        }
        if headers.tcpFlags & 0x04 != 0 {
            remove(key)
            return .pass
        }
        let payload = packet.extracting(headers.payloadOffset..<packet.count)
        guard payload.count > 0 else { return .pass }
        guard var stream = streams[key] else {
            counters.add(.snoopedStreamsUnknown)
            return .refuse
        }
        stream.lastSeen = now
        switch stream.step(number: number, count: payload.count) {
        case .old: return .pass
        case .ahead:
            counters.add(.snoopedSegmentsAhead)
            return .drop
        case .new(let skipped):
            let before = stream.rest.count
            // Only one reference, so that its bytes are not copied.
            streams[key] = nil
            let isGood = stream.take(payload.extracting(skipped..<payload.count)) { message in
                teach(message, client: key.client, server: key.server, askedAt: nil, now: now, gate: &gate) == .pass
            }
            streams[key] = stream
            streamBytes += stream.rest.count - before
            guard isGood, streamBytes <= limits.streamBytesMax else {
                if isGood { counters.add(.snoopedStreamsFull) }
                remove(key)
                return .refuse
            }
            return .pass
        }
    }

    private mutating func remove(_ key: StreamKey) {
        guard let gone = streams.removeValue(forKey: key) else { return }
        streamBytes -= gone.rest.count
        let left = streamsByClient[key.client, default: 1] - 1
        streamsByClient[key.client] = left > 0 ? left : nil
    }

    /// Connections that were silent for long go where there is none left, at most once a second.
    private mutating func makeRoom(for client: IPAddress, now: Instant) -> Bool {
        func hasRoom() -> Bool {
            let left = limits.streamsMax - streams.count
            let ofClient = streamsByClient[client, default: 0]
            // Nobody has more than he leaves to others.
            return ofClient < limits.streamsPerClientMax && ofClient < left
        }
        if hasRoom() { return true }
        guard now.nanoseconds(since: lastSweep) >= 1_000_000_000 else { return false }
        lastSweep = now
        for (key, stream) in streams where now.nanoseconds(since: stream.lastSeen) > limits.streamSeconds * 1_000_000_000 { remove(key) }
        return hasRoom()
    }

    // MARK: What they say

    /// Publishes what an answer teaches its client.
    private func teach<G: AnswerGate & ~Copyable>(
        _ message: Span<UInt8>, client address: IPAddress, server: IPAddress, askedAt: Instant?, now: Instant, gate: inout G
    ) -> SnoopVerdict {
        guard message.count >= 12 else {
            counters.add(.snoopedMalformed)
            return .drop
        }
        // Without answer records there is nothing to learn, whatever else it holds.
        guard message[6] | message[7] != 0 else {
            counters.add(.snoopedEmpty)
            note(message, .snooped, address, cause: nil, server: server, askedAt: askedAt, now: now)
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
        guard let client = gate.client(at: address) else {
            counters.add(.refusedUnknownClient)
            return .drop
        }
        // Over UDP the question was refused already.
        if askedAt == nil, gate.refusesNames, let refusal = gate.refusal(of: response.qname, client: client) {
            note(message, .refused, address, cause: count(refusal.reason), server: server, now: now, rule: refusal.rule)
            return .drop
        }
        guard !response.addresses.isEmpty else {
            counters.add(.snoopedEmpty)
            note(message, .snooped, address, cause: nil, server: server, askedAt: askedAt, now: now)
            return .pass
        }
        let release = gate.learn(
            response.qname, addresses: response.addresses, timeToLiveSeconds: response.minimumTTL ?? 0, client: client, now: now)
        if case .refuse(let refusal) = release {
            note(message, .refused, address, cause: count(refusal), server: server, askedAt: askedAt, now: now)
            return .drop
        }
        counters.add(.snoopedLearned)
        note(message, .snooped, address, cause: nil, server: server, askedAt: askedAt, now: now)
        return .pass
    }

    private func count(_ refusal: AnswerRefusal) -> DNSCounter {
        counters.add(.snoopedRefused)
        counters.add(refusal.counter)
        return refusal.counter
    }

    private func note(
        _ message: Span<UInt8>, _ lookup: DNSLogRecord.Lookup, _ client: IPAddress, cause: DNSCounter?, server: IPAddress,
        askedAt: Instant? = nil, now: Instant, rule: String? = nil
    ) {
        guard let log else { return }
        log.append(
            DNSLogRecord(
                time: now, source: client, classNumber: 0, lookup: lookup, cause: cause, server: server,
                latencyNanoseconds: askedAt.map { now.nanoseconds(since: $0) }, answeredAt: now,
                responseCode: cause == nil ? nil : .refused, reply: message, rule: rule))
    }

    /// Of the question of a message, with its name in lower case; drawn anew for each process.
    private static func hash(_ message: Span<UInt8>, upTo end: Int) -> Int {
        var hasher = Hasher()
        for index in 12..<end {
            let byte = message[index]
            hasher.combine(index < end - 4 && byte &- 0x41 < 26 ? byte | 0x20 : byte)
        }
        return hasher.finalize()
    }
}
