import NetworkTypes
import PacketHeaders
import PolicyEngine
import Synchronization

/// Decides queued packets. One for each verdict thread; nothing in it is shared but the published policy, the AddressTable
/// and the ring of facts.
///
/// Per packet: no allocation, no lock, no clock. Per batch: one acquiring load, one clock read by the caller.
public struct VerdictEngine: ~Copyable {
    public enum Mode: String, Sendable, CaseIterable {
        /// What policy denies is refused.
        case enforce
        /// Nothing is refused; everything is recorded as it would have been decided.
        case audit
    }

    /// How a refusal is sent.
    public enum DenyAction: String, Sendable, CaseIterable {
        /// TCP reset, or ICMP "administratively prohibited".
        case reject
        case drop
    }

    /// What the kernel knows of the queued packet's flow.
    public struct FlowState: Sendable, BitwiseCopyable {
        /// The packet runs against the original direction: source and destination are to be swapped.
        public let isReply: Bool
        /// The flow bears the mark of an earlier admission and is to be decided again.
        public let wasAdmitted: Bool
        /// Of the processes that have begun it; 0: whoever has its source address.
        public let classNumber: UInt8
        /// Conntrack does not track it: nothing remembers a verdict.
        public let isUntracked: Bool

        public init(isReply: Bool, wasAdmitted: Bool, classNumber: UInt8 = 0, isUntracked: Bool = false) {
            self.isReply = isReply
            self.wasAdmitted = wasAdmitted
            self.classNumber = classNumber
            self.isUntracked = isUntracked
        }
    }

    /// What is to be done with the packet.
    public enum Verdict: Sendable, Hashable, BitwiseCopyable {
        /// Accept, and stamp the flow with this generation.
        case allow(generation: UInt16)
        /// The same, and later flows to the same address, protocol and port need not be asked for, for a while.
        case lease(generation: UInt16)
        /// Allowed by its address; the name in its hello is to be seen.
        case pending
        /// Accept the SYN under this generation; the name in the hello that follows is looked at. Leased: later SYNs likewise, as with `lease`.
        case observe(generation: UInt16, isLeased: Bool)
        /// A flow of QUIC that gave a good name in its hello and was decided again: the next one is looked at.
        case checked
        case reject
        case drop
        /// Refuse this packet, and every later one of the flow, in both directions: it was admitted once, and policy has changed.
        case revoke
        /// Not decided: an answer that is on its way, or a redial, may allow it. Only if the caller said that it may wait.
        case hold(HoldTicket)
    }

    /// What a packet may wait for that would be refused for want of a name.
    public enum Patience: Sendable, BitwiseCopyable {
        case none
        /// Answers to queries of the same client that are in flight.
        case answers
        /// These, and a redial.
        case answersAndRedial
    }

    private var policy: Published<CompiledPolicy>.Reader
    private let table: AddressTable
    private let facts: Ring<FlowRecord>
    private let counters: VerdictCounters
    private let mode: Mode
    private let denyAction: DenyAction
    private let leases: LeaseBudget
    private let resets: Ring<FlowReset>?
    private let names: SeenNames?
    private let flights: QueryFlights?
    private let redialNanoseconds: UInt64
    /// When the packets' batch began.
    public private(set) var now = Instant(nanoseconds: 0)
    /// Of `flights`, from before the next decision.
    private var changes: UInt64 = 0

    public init(
        policy: Published<CompiledPolicy>, table: AddressTable, facts: Ring<FlowRecord>, counters: VerdictCounters, mode: Mode,
        denyAction: DenyAction, leases: LeaseBudget = .none, resets: Ring<FlowReset>? = nil, names: SeenNames? = nil,
        flights: QueryFlights? = nil, redialSeconds: UInt32 = 0
    ) {
        self.policy = Published<CompiledPolicy>.Reader(policy)
        self.table = table
        self.facts = facts
        self.counters = counters
        self.mode = mode
        self.denyAction = denyAction
        self.leases = leases
        self.resets = resets
        self.names = names
        self.flights = flights
        redialNanoseconds = UInt64(redialSeconds) * 1_000_000_000
    }

    /// Once before the packets of a batch.
    public mutating func beginBatch(now: Instant) {
        policy.refresh()
        self.now = now
        _ = noteChanges()
        counters.noteBatch(policyVersion: policy.value.version)
    }

    /// Where the fact of the packet will be written that is decided `count` packets from now; to be prefetched.
    public func factPlace(ahead count: Int) -> UnsafeRawPointer { unsafe facts.place(ahead: count) }

    /// Where the decision about a packet will look for its address, to be prefetched: with many bindings that memory is in no cache, and
    /// the wait for it would be most of the decision. Nil if there is nothing to look up; says nothing about the packet.
    public func firstPlace(of packet: Span<UInt8>, isReply: Bool) -> UnsafeRawPointer? {
        guard let (source, destination) = PacketHeaders.addresses(of: packet),
            let position = policy.value.endpointIndex(of: isReply ? destination : source)
        else { return nil }
        return unsafe table.firstPlace(policy.value.programs[position].id, isReply ? source : destination)
    }

    /// Takes note of what was published until now; called before packets are decided again within a batch.
    public mutating func noteChanges() -> UInt64 {
        changes = flights?.changes ?? 0
        return changes
    }

    /// Decides one packet that begins with its IP header. `waited` is what the packet has waited for in vain.
    public mutating func decide(
        _ packet: Span<UInt8>, _ state: FlowState, patience: Patience = .none, waited: HoldOutcome? = nil
    ) -> Verdict {
        let headers: PacketHeaders
        do throws(PacketError) {
            headers = try PacketHeaders(parsing: packet)
        } catch {
            return refuse(flow: FlowRecord.filler.flow, endpoint: nil, .malformedPacket, detail: error.rawValue, state: state)
        }
        let flow = FlowTuple(headers, isReply: state.isReply)
        guard let position = endpointIndex(of: flow, state) else {
            return refuse(flow: flow, endpoint: nil, .unknownEndpoint, detail: 0, state: state)
        }
        let program = policy.value.programs[position]
        let (id, generation) = (program.id, program.generation)
        let bindings = AddressBindings(table: table, now: now, liveness: state.wasAdmitted ? .liveOrDraining : .live)
        let decision = policy.value.evaluate(endpoint: position, flow, bindings: bindings)
        if patience != .none, !decision.isAllowed, let ticket = ticket(flow, position, id, decision.reason, state, patience) {
            return .hold(ticket)
        }
        let place = table.find(id, flow.destination, decision.pattern)
        let nameRecord: Int32 = if let place { Int32(truncatingIfNeeded: table.record(at: place)) } else { -1 }
        let staged = policy.value.evaluateStaged(endpoint: position, flow, bindings: bindings)
        if let staged, staged.isAllowed != decision.isAllowed { counters.noteStaged(isAllowed: staged.isAllowed) }
        let check = decision.isAllowed && decision.nameCheck != .off ? nameCheck(flow, headers, position, id, decision, state) : .none
        let isUnverified = check == .refused
        guard decision.isAllowed, !isUnverified else {
            let refusal = refuse(
                flow: flow, endpoint: id, isUnverified ? .nameUnverified : decision.reason,
                detail: waited.map { $0.rawValue &+ 1 } ?? 0, state: state, rule: decision.rule,
                nameRecord: nameRecord,
                generation: generation, staged: staged)
            guard state.wasAdmitted, mode == .enforce else { return refusal }
            counters.noteRevocation()
            // The kernel answers the sender of this packet; its receiver, who waits for nothing, has to be told as well.
            if let resets, let reset = FlowReset(of: packet, headers, isReply: state.isReply, resetsSender: denyAction == .drop) {
                resets.append(reset)
            }
            return .revoke
        }
        if decision.pattern != anyName, let place { table.noteAdmission(at: place, now: now) }
        record(flow, id, .allow, decision.reason, decision.rule, nameRecord, check == .pending ? Self.namePending : 0, state, staged)
        switch check {
        case .pending:
            guard isObserved(flow, packet, headers, decision) else { return .pending }
            return .observe(generation: generation, isLeased: leases.isWanted && mayLease(flow, position, id, decision, state))
        case .checked: return .checked
        case .none, .refused: break
        }
        let isLeased = leases.isWanted && mayLease(flow, position, id, decision, state)
        return isLeased ? .lease(generation: generation) : .allow(generation: generation)
    }

    /// A class that is no more is judged as the node itself.
    private func endpointIndex(of flow: FlowTuple, _ state: FlowState) -> Int? {
        if state.classNumber != 0, let position = policy.value.endpointIndex(ofClass: state.classNumber) { return position }
        return policy.value.endpointIndex(of: flow.source)
    }

    /// `FlowRecord.detail` of a flow that is allowed if it gives a good name, or may give any (`observe`).
    public static let namePending: UInt8 = 1

    private enum NameCheck {
        /// The flow needs to give no name, or cannot any more and need not.
        case none
        case pending
        case checked
        case refused
    }

    /// What becomes of a flow that policy allows by a name that it wants to see.
    private func nameCheck(
        _ flow: FlowTuple, _ headers: PacketHeaders, _ position: Int, _ id: EndpointID, _ decision: PolicyDecision, _ state: FlowState
    ) -> NameCheck {
        let isRequired = decision.nameCheck == .require
        // The mark of a flow whose name is pending has no room for a class.
        guard let names, state.classNumber == 0 else { return isRequired ? .refused : .none }
        if state.wasAdmitted {
            guard isRequired else { return .none }
            // Its hello has been sent: what it said counts.
            guard let key = FlowKey(flow), let name = names.name(of: key, client: id) else { return .refused }
            let bindings = AddressBindings(table: table, now: now, liveness: .liveOrDraining)
            guard policy.value.evaluate(endpoint: position, flow, seenName: name, bindings: bindings).isAllowed else { return .refused }
            return flow.transport == .udp ? .checked : .none
        }
        // Of a connection of TCP that does not begin here nobody knows where its first byte is.
        let begins = !state.isReply && !state.isUntracked && (flow.transport != .tcp || headers.tcpFlags & 0x12 == 0x02)
        return begins ? .pending : isRequired ? .refused : .none
    }

    /// Whether the packet may leave before anybody looks at hellos: a SYN without data of a flow that is refused for no name. What it begins is noted.
    private func isObserved(_ flow: FlowTuple, _ packet: Span<UInt8>, _ headers: PacketHeaders, _ decision: PolicyDecision) -> Bool {
        guard let names, decision.nameCheck == .observe || mode == .audit, let key = FlowKey(flow),
            let syn = FlowReset(of: packet, headers, isReply: false, resetsSender: false), syn.sequenceLength == 1
        else { return false }
        names.noteSyn(key, sequence: syn.sequence)
        return true
    }

    /// What the packet may wait for; nil if nothing that is on its way could allow it.
    private func ticket(
        _ flow: FlowTuple, _ position: Int, _ id: EndpointID, _ reason: VerdictReason, _ state: FlowState, _ patience: Patience
    ) -> HoldTicket? {
        guard let flights, mode == .enforce, !state.isReply, !state.wasAdmitted, state.classNumber == 0, !state.isUntracked,
            reason == .addressNotResolved || reason == .nameNotAllowed
        else { return nil }
        let seen = flights.state(of: id)
        let redial = patience == .answersAndRedial && redialNanoseconds > 0 ? redial(flow, position, id) : nil
        let ticket = HoldTicket(endpoint: id, flights: seen, isStale: flights.changes != changes, redial: redial)
        return ticket.awaitsAnswer || redial != nil ? ticket : nil
    }

    /// The name to resolve again, if policy would have allowed the flow under a binding that ended within the window.
    private func redial(_ flow: FlowTuple, _ position: Int, _ id: EndpointID) -> Redial? {
        guard table.hasSlot(id, flow.destination) else { return nil }
        let then = Instant(nanoseconds: now.nanoseconds - min(now.nanoseconds, redialNanoseconds))
        let decision = policy.value.evaluate(
            endpoint: position, flow, bindings: AddressBindings(table: table, now: then, liveness: .live))
        guard decision.isAllowed, decision.pattern != anyName, let record = table.record(id, flow.destination, decision.pattern) else {
            return nil
        }
        return Redial(endpoint: id, source: flow.source, address: flow.destination, record: Int32(truncatingIfNeeded: record))
    }

    /// Whether the kernel may let later flows to the same destination pass: what was decided holds for them too, for as long as a lease.
    private mutating func mayLease(
        _ flow: FlowTuple, _ position: Int, _ id: EndpointID, _ decision: PolicyDecision, _ state: FlowState
    ) -> Bool {
        // The kernel's lease is by address, and the node's other processes have the same.
        guard !state.isReply, !state.wasAdmitted, state.classNumber == 0,
            flow.transport == .tcp || flow.transport == .udp || flow.transport == .sctp,
            policy.value.isLeasable(endpoint: position), names == nil || !policy.value.couldRequireName(endpoint: position, flow)
        else { return false }
        if decision.pattern != anyName {
            guard let expiry = table.expiry(id, flow.destination, decision.pattern),
                expiry.nanoseconds(since: now) >= LeaseBudget.bindingSecondsMin * 1_000_000_000
            else { return false }
        }
        let isGranted = leases.take(id, now: now)
        counters.noteLease(isGranted: isGranted)
        return isGranted
    }

    private mutating func refuse(
        flow: FlowTuple, endpoint: EndpointID?, _ reason: VerdictReason, detail: UInt8, state: FlowState,
        rule: UInt32 = PolicyDecision.noRule, nameRecord: Int32 = -1, generation: UInt16 = 0, staged: PolicyDecision? = nil
    ) -> Verdict {
        switch mode {
        case .audit:
            record(flow, endpoint, .auditDeny, reason, rule, nameRecord, detail, state, staged)
            return .allow(generation: generation)
        case .enforce:
            // What could not be parsed cannot be answered.
            let rejects = denyAction == .reject && reason != .malformedPacket
            record(flow, endpoint, rejects ? .reject : .drop, reason, rule, nameRecord, detail, state, staged)
            return rejects ? .reject : .drop
        }
    }

    private mutating func record(
        _ flow: FlowTuple, _ endpoint: EndpointID?, _ verdict: FlowRecord.Verdict, _ reason: VerdictReason, _ rule: UInt32,
        _ nameRecord: Int32, _ detail: UInt8, _ state: FlowState, _ staged: PolicyDecision?
    ) {
        counters.note(reason, detail: detail)
        facts.append(
            FlowRecord(
                time: now, flow: flow, endpoint: endpoint, verdict: verdict, reason: reason, rule: rule,
                policyVersion: policy.value.version, nameRecord: nameRecord, detail: detail, isRedecision: state.wasAdmitted,
                staged: staged))
    }
}
