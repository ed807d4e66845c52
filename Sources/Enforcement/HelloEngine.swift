import DomainNames
import NameInspection
import NetworkTypes
import PacketHeaders
import PolicyEngine
import PolicyModel

/// Decides the packets of flows that were admitted by a name and have to give it: the policy of the moment when the name is complete counts.
///
/// ```
/// packet -> evaluate: denied -> revoke all | no name asked for -> allow all | observe: packets leave at once | require: packets wait
///        -> NameCheckTable -> name -> does the client hold the address under it? does policy allow it? -> allow or revoke all
/// ```
/// One for each queue of hellos; a flow always comes to the same one. Warm path: it allocates, within the bounds of `NameCheckLimits`.
public struct HelloEngine: ~Copyable {
    /// The verdict of a packet that was told to wait.
    public struct Release: Sendable, Hashable, BitwiseCopyable {
        public let packet: UInt32
        public let verdict: HelloVerdict
    }

    /// How far behind its SYN the first segment that is seen may be, in bytes: no more is read of a hello, and sequence numbers of a connection's successor
    /// are further on after a tenth of a second (RFC 6528).
    private static let aheadMax: UInt32 = 1 << 20

    private struct Question {
        let flow: FlowTuple
        let inspected: InspectedFlow
        let position: Int
        let client: EndpointID
        let generation: UInt16
        let decision: PolicyDecision
        /// Without the name the flow is refused.
        let isRequired: Bool
    }

    /// A flow of which packets wait.
    private struct Waiting {
        let client: EndpointID
        /// Of its first byte: the responder has seen nothing of it.
        var reset: FlowReset?
    }

    private var policy: Published<CompiledPolicy>.Reader
    private let table: AddressTable
    private let names: SeenNames
    private let records: Ring<HelloRecord>
    private let verdicts: VerdictCounters
    private let counters: HelloCounters
    private let mode: VerdictEngine.Mode
    private let denyAction: VerdictEngine.DenyAction
    private let resets: Ring<FlowReset>
    private var checks: NameCheckTable
    private var waiting: [InspectedFlow: Waiting] = [:]
    private var releases: [Release] = []
    private var nextReleasePlace = 0
    private var now = Instant(nanoseconds: 0)

    public init(
        policy: Published<CompiledPolicy>, table: AddressTable, names: SeenNames, records: Ring<HelloRecord>, verdicts: VerdictCounters,
        counters: HelloCounters, mode: VerdictEngine.Mode, denyAction: VerdictEngine.DenyAction, resets: Ring<FlowReset>,
        limits: NameCheckLimits = NameCheckLimits()
    ) {
        self.policy = Published<CompiledPolicy>.Reader(policy)
        self.table = table
        self.names = names
        self.records = records
        self.verdicts = verdicts
        self.counters = counters
        self.mode = mode
        self.denyAction = denyAction
        self.resets = resets
        checks = NameCheckTable(limits: limits)
    }

    /// Once before the packets of a batch, and now and then while packets wait: decides what has waited too long.
    public mutating func beginBatch(now: Instant) {
        self.now = now
        if policy.refresh() { dropStrangers() }
        if let deadline = checks.nextDeadline, deadline <= now {
            for decision in checks.expire(now: now) { expired(decision) }
        }
        counters.set(waiting: checks.waitingPacketCount, flows: checks.flowCount, expired: checks.counters.expired)
    }

    /// The next packet that waits no more.
    public mutating func nextRelease() -> Release? {
        guard nextReleasePlace < releases.count else {
            releases.removeAll(keepingCapacity: true)
            nextReleasePlace = 0
            return nil
        }
        nextReleasePlace += 1
        return releases[nextReleasePlace - 1]
    }

    /// Decides one packet that begins with its IP header and is whole.
    ///
    /// - Parameters:
    ///   - packet: its number in the queue.
    ///   - isReply: it comes from the responder.
    ///   - isChecked: of a flow of QUIC whose name was good; false for a reply.
    ///   - isAggregate: several datagrams in one, which will be sent apart.
    public mutating func decide(
        _ bytes: Span<UInt8>, packet: UInt32, isReply: Bool, isChecked: Bool = false, isAggregate: Bool
    ) -> HelloVerdict {
        let headers: PacketHeaders
        do throws(PacketError) {
            headers = try PacketHeaders(parsing: bytes)
        } catch {
            verdicts.note(.malformedPacket, detail: error.rawValue)
            return mode == .audit ? .leave : .drop
        }
        guard let question = self.question(FlowTuple(headers, isReply: isReply)) else {
            verdicts.note(.unknownEndpoint, detail: 0)
            return mode == .audit ? .leave : .drop
        }
        let reset = FlowReset(of: bytes, headers, isReply: isReply, resetsSender: denyAction == .drop)
        guard question.decision.isAllowed, question.decision.nameCheck != .off else {
            return withoutName(question, reset)
        }
        let payload = bytes.extracting(min(headers.payloadOffset, bytes.count)..<Self.end(of: bytes, headers))
        let isTCP = headers.transport == .tcp
        // Without data it takes a byte of the data that follows out of the stream (RFC 9293 §3.8.5).
        if isTCP, !isReply, headers.tcpFlags & 0x20 != 0, payload.count == 0 {
            return end(question, .unreadable, .nameUnreadable, reset, fault: .urgentData)
        }
        if isTCP, payload.count == 0, headers.tcpFlags & 0x05 != 0 {
            checks.close(question.inspected)
            return .leave
        }
        if isReply {
            guard payload.count > 0 || !isTCP else { return .leave }
            return end(question, .responderFirst, .responderFirst, reset)
        }
        if isChecked, !isTCP, payload.count == 0 || payload[0] & 0x80 == 0 {
            // Behind the hello; whether or not its keys are still known. A look-alike is sent again.
            return isAggregate && question.isRequired && DatagramNameCheck.mayHideHello(payload) ? .drop : .leave
        }
        let action: NameAction
        if isTCP {
            let sequence = Self.sequence(bytes, headers)
            if headers.tcpFlags & 0x02 != 0 {
                // A responder that takes no data of a SYN reads what is sent later in its place: it has to come again without (RFC 7413 §4.1.3). Of
                // two SYNs only the first leaves, as it could not be told which of their numbers the responder takes.
                if question.isRequired,
                    payload.count > 0 || checks.hasRival(question.inspected, of: question.client, synSequence: sequence, now: now)
                {
                    return .drop
                }
                guard checks.open(question.inspected, of: question.client, synSequence: sequence, now: now) else {
                    counters.noteRefusal()
                    return end(question, .unreadable, .nameUnreadable, reset, fault: .tooManyWaiting)
                }
            }
            // Its SYN was in no queue of hellos; one that passed by a lease in none at all.
            if !question.isRequired, payload.count > 0, !checks.contains(question.inspected), let key = FlowKey(question.flow) {
                // One that is far away was of another connection with the same ports.
                let noted = names.synSequence(of: key).flatMap { sequence &- $0 &- 1 < Self.aheadMax ? $0 : nil }
                let syn = noted ?? sequence &- 1
                guard checks.open(question.inspected, of: question.client, synSequence: syn, now: now) else {
                    counters.noteRefusal()
                    return end(question, .unreadable, .nameUnreadable, reset, fault: .tooManyWaiting)
                }
            }
            action = checks.handle(
                question.inspected, of: question.client, packet: packet, sequence: sequence, flags: headers.tcpFlags, payload, now: now)
        } else {
            action = checks.handle(
                question.inspected, of: question.client, packet: packet, isAggregate: isAggregate, payload, now: now)
        }
        switch action {
        case .pass: return .leave
        case .drop: return question.isRequired ? .drop : .leave
        case .hold:
            guard question.isRequired else { return .leave }
            noteWaiting(question, reset)
            return .hold
        case .settled(let isAllowed):
            if isTCP || !question.isRequired {
                return isAllowed || !question.isRequired ? .allow(generation: question.generation) : .drop
            }
            return isAllowed ? .leave : .drop
        case .decided(let decision): return conclude(decision, question, packet: packet, reset)
        }
    }

    // MARK: What policy says now

    private func question(_ flow: FlowTuple) -> Question? {
        guard let position = policy.value.endpointIndex(of: flow.source) else { return nil }
        let bindings = AddressBindings(table: table, now: now, liveness: .liveOrDraining)
        let decision = policy.value.evaluate(endpoint: position, flow, bindings: bindings)
        return Question(
            flow: flow,
            inspected: InspectedFlow(
                source: flow.source, destination: flow.destination, transport: flow.transport, sourcePort: flow.sourcePort,
                destinationPort: flow.destinationPort),
            position: position, client: policy.value.programs[position].id, generation: policy.value.programs[position].generation,
            decision: decision, isRequired: decision.nameCheck == .require && mode == .enforce)
    }

    /// Policy denies the flow by now, or asks for no name any more.
    private mutating func withoutName(_ question: Question, _ reset: FlowReset?) -> HelloVerdict {
        question.decision.isAllowed
            ? end(question, .notAsked, question.decision.reason, nil) : end(question, .denied, question.decision.reason, reset)
    }

    /// Ends the search without a name, for the packet at hand and all that wait.
    private mutating func end(
        _ question: Question, _ result: HelloRecord.Result, _ reason: VerdictReason, _ reset: FlowReset?, fault: NameFault? = nil
    ) -> HelloVerdict {
        let isRefused = result == .denied ? mode == .enforce : result != .notAsked && question.isRequired
        let wouldBeRefused = result == .denied || question.decision.nameCheck == .require
        let reason = wouldBeRefused ? reason : question.decision.reason
        let packets = checks.remove(question.inspected)
        let stored = waiting.removeValue(forKey: question.inspected)
        note(question, result, reason, isRefused: isRefused, fault: fault)
        guard isRefused else {
            release(packets, .allow(generation: question.generation))
            return .allow(generation: question.generation)
        }
        release(packets, .drop)
        revoke(stored?.reset ?? reset)
        return .revoke
    }

    // MARK: Names

    /// Gives the verdict of the packet at hand, if there is one; the others of the decision are released.
    private mutating func conclude(
        _ decision: NameInspection.NameDecision, _ question: Question, packet: UInt32?, _ reset: FlowReset?
    ) -> HelloVerdict {
        let stored = waiting.removeValue(forKey: question.inspected)
        let others = packet == nil ? decision.packets : decision.packets.filter { $0 != packet }
        var good: (decision: PolicyDecision, record: Int, name: SeenName)?
        var seen: SeenName?
        var fault: NameFault?
        switch decision.finding {
        case .fault(let found): fault = found
        case .name(let name):
            seen = name
            if let record = names.record(question.client, question.flow.destination, name.name, in: table, now: now) {
                let bindings = AddressBindings(table: table, now: now, liveness: .liveOrDraining)
                let outcome = policy.value.evaluate(endpoint: question.position, question.flow, seenName: name.name, bindings: bindings)
                if outcome.isAllowed { good = (outcome, record, name) }
            }
        }
        let result: HelloRecord.Result = good != nil ? .match : seen != nil ? .mismatch : .unreadable
        let isRefused = good == nil && question.isRequired
        let wouldBeRefused = good == nil && question.decision.nameCheck == .require
        let refusal: VerdictReason = seen != nil ? .nameMismatch : .nameUnreadable
        let reason = wouldBeRefused ? refusal : good?.decision.reason ?? question.decision.reason
        note(question, result, reason, isRefused: isRefused, rule: good?.decision.rule, record: good?.record, seen: seen, fault: fault)
        if isRefused, decision.isRepeated, fault != nil {
            // What is not to be read concerns these packets alone: the name before counts on.
            release(others, .drop)
            return .drop
        }
        checks.settle(question.inspected, isAllowed: !isRefused)
        guard !isRefused else {
            revoke(stored?.reset ?? reset)
            guard packet == nil, let last = others.last else {
                release(others, .drop)
                return .revoke
            }
            release(Array(others.dropLast()), .drop)
            release([last], .revoke)
            return .drop
        }
        if let key = FlowKey(question.flow) {
            if let good {
                names.note(key, good.name.name)
            } else if seen != nil || !decision.isRepeated {
                // Of a connection that had the same ports.
                names.forget(key)
            }
        }
        let isStream = question.flow.transport == .tcp
        let verdict: HelloVerdict = isStream || !question.isRequired ? .allow(generation: question.generation) : .allowDatagrams
        if verdict == .allowDatagrams { counters.noteDatagrams() }
        release(others, verdict)
        // Behind those that came before it.
        if let packet, stored != nil, !others.isEmpty {
            release([packet], verdict)
            return .hold
        }
        return verdict
    }

    private mutating func expired(_ decision: NameInspection.NameDecision) {
        let flow = decision.flow
        let tuple = FlowTuple(
            source: flow.source, destination: flow.destination, transport: flow.transport, sourcePort: flow.sourcePort,
            destinationPort: flow.destinationPort)
        guard let question = self.question(tuple), question.client == decision.client else {
            waiting[flow] = nil
            release(decision.packets, mode == .audit ? .leave : .drop)
            return
        }
        guard question.decision.isAllowed, question.decision.nameCheck != .off else {
            let verdict = withoutName(question, nil)
            release(decision.packets, verdict)
            return
        }
        _ = conclude(decision, question, packet: nil, nil)
    }

    /// Packets of endpoints that are gone, or whose address is another's now, wait no more.
    private mutating func dropStrangers() {
        var gone: Set<EndpointID> = []
        for (flow, entry) in waiting {
            if let position = policy.value.endpointIndex(of: flow.source), policy.value.programs[position].id == entry.client { continue }
            gone.insert(entry.client)
        }
        guard !gone.isEmpty else { return }
        for client in gone { release(checks.remove(client: client), .drop) }
        waiting = waiting.filter { !gone.contains($0.value.client) }
    }

    // MARK: Packets

    private mutating func release(_ packets: [UInt32], _ verdict: HelloVerdict) {
        for packet in packets { releases.append(Release(packet: packet, verdict: verdict)) }
    }

    private mutating func noteWaiting(_ question: Question, _ reset: FlowReset?) {
        guard let old = waiting[question.inspected] else {
            waiting[question.inspected] = Waiting(client: question.client, reset: reset)
            return
        }
        if let reset, let first = old.reset, Int32(bitPattern: reset.sequence &- first.sequence) < 0 {
            waiting[question.inspected]?.reset = reset
        }
    }

    /// The kernel answers the sender of the packet; the other side, which has seen none of the data, has to be told as well.
    private mutating func revoke(_ reset: FlowReset?) {
        verdicts.noteRevocation()
        if let reset { resets.append(reset) }
    }

    private mutating func note(
        _ question: Question, _ result: HelloRecord.Result, _ reason: VerdictReason, isRefused: Bool, rule: UInt32? = nil,
        record: Int? = nil, seen: SeenName? = nil, fault: NameFault? = nil
    ) {
        counters.note(result, fault, isOuter: seen?.isOuter ?? false)
        if !reason.isAllowed { verdicts.note(reason, detail: 0) }
        let verdict: FlowRecord.Verdict =
            isRefused ? (denyAction == .reject ? .reject : .drop) : (reason.isAllowed ? .allow : .auditDeny)
        records.append(
            HelloRecord(
                FlowRecord(
                    time: now, flow: question.flow, endpoint: question.client, verdict: verdict, reason: reason,
                    rule: rule ?? question.decision.rule, policyVersion: policy.value.version,
                    nameRecord: Int32(truncatingIfNeeded: record ?? -1), detail: fault?.rawValue ?? 0, isRedecision: false, staged: nil),
                result, name: seen, fault: fault))
    }

    /// Where the packet ends by its IP header, within what was copied: what lies behind belongs to nobody.
    private static func end(of bytes: Span<UInt8>, _ headers: PacketHeaders) -> Int {
        let isV4 = headers.source.family == .v4
        let length = isV4 ? Int(bytes[2]) << 8 | Int(bytes[3]) : Int(bytes[4]) << 8 | Int(bytes[5])
        let total = length == 0 ? bytes.count : isV4 ? length : 40 + length
        return max(min(headers.payloadOffset, bytes.count), min(total, bytes.count))
    }

    private static func sequence(_ bytes: Span<UInt8>, _ headers: PacketHeaders) -> UInt32 {
        let at = headers.transportOffset + 4
        return UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8 | UInt32(bytes[at + 3])
    }
}
