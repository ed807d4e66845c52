import NetworkTypes

/// The flows of one verdict thread that were admitted by name and whose name in the hello is still to be seen.
///
///     SYN ---open---> open ---data---> waiting ---decided---> settled ---> forgotten
///                                         ^                      |
///                                         +----- QUIC: another connection in the same flow
///
/// No byte leaves before the decision: packets with data stay in the queue (`hold`), and the decision names all of them. Everything is
/// bounded (`NameCheckLimits`), for each client apart, so that nobody takes the room of others. A value: no clock, no queue, no policy.
///
/// The caller gives whole packets (the copy range of the queue must reach to their end), each flow always to the same table, and calls
/// `expire` when `nextDeadline` has come. Kernel rules must bring every packet with data, and every SYN, of a flow that is not decided.
public struct NameCheckTable: Sendable {
    private static let synFlag = SegmentBuffer.synFlag

    private struct Share: Sendable {
        var flows = 0
        var packets = 0
        var bytes = 0
        /// Its decided flows, those decided first ahead; they give way to its new ones.
        var settled = DeadlineQueue()
        /// Its connections without data, those opened first ahead.
        var open = DeadlineQueue()
    }

    public let limits: NameCheckLimits
    public private(set) var counters = NameCheckCounters()
    private var flows: [InspectedFlow: NameCheckEntry] = [:]
    private var shares: [EndpointID: Share] = [:]
    private var packetCount = 0
    private var lastSerial: UInt64 = 0
    private var deadlines = (open: DeadlineQueue(), waiting: DeadlineQueue(), stream: DeadlineQueue(), datagrams: DeadlineQueue())

    public init(limits: NameCheckLimits = NameCheckLimits()) { self.limits = limits }

    /// Flows that are known, decided ones included.
    public var flowCount: Int { flows.count }
    /// Packets that wait in the queue.
    public var waitingPacketCount: Int { packetCount }

    public func contains(_ flow: InspectedFlow) -> Bool { flows[flow] != nil }

    public func flowCount(of client: EndpointID) -> Int { shares[client]?.flows ?? 0 }

    // MARK: TCP

    /// Notes the SYN of a connection that was admitted and whose name is to be seen. Without this the sequence number of its first byte is
    /// not known, and its data is `unknownStart`.
    ///
    /// False if there is no room beside the client's undecided flows: then the connection cannot be checked. A SYN that is sent again
    /// changes nothing; another one with another number begins anew, unless packets wait.
    public mutating func open(_ flow: InspectedFlow, of client: EndpointID, synSequence: UInt32, now: Instant) -> Bool {
        if let entry = flows[flow] {
            if case .stream(let check) = entry.check, check.start == synSequence &+ 1, entry.client == client { return true }
            // The waiting packets belong to the old connection and get its verdict: what they are part of can no longer be told.
            guard entry.state != .waiting else { return false }
            forget(flow)
        }
        let check = StreamNameCheck(synSequence: synSequence, limits: limits)
        guard insert(flow, client, .stream(check), now) else { return false }
        counters.opened += 1
        return true
    }

    /// Whether the responder may still answer an earlier SYN of the flow, with another number: then this one must not leave.
    public func hasRival(_ flow: InspectedFlow, of client: EndpointID, synSequence: UInt32, now: Instant) -> Bool {
        guard let entry = flows[flow], entry.state == .open, entry.client == client, case .stream(let check) = entry.check else {
            return false
        }
        let rest = limits.openSeconds > limits.unansweredSeconds ? limits.openSeconds - limits.unansweredSeconds : 0
        return check.start != synSequence &+ 1 && now.advanced(bySeconds: rest) < entry.due
    }

    /// Takes a TCP packet of a flow whose name is to be seen: sequence number and flags of its header, its payload, its id in the queue.
    public mutating func handle(
        _ flow: InspectedFlow, of client: EndpointID, packet: UInt32, sequence: UInt32, flags: UInt8, _ payload: Span<UInt8>, now: Instant
    ) -> NameAction {
        guard payload.count > 0 else { return .pass }
        guard var entry = flows[flow] else { return decideUnknown(flow, client, packet, .unknownStart, now) }
        if entry.state == .settled { return .settled(isAllowed: entry.isAllowed) }
        guard case .stream(var check) = entry.check else { return decide(flow, &entry, packet, .fault(.unknownStart), now) }
        // The table holds the buffers nowhere else meanwhile, so that they are changed in place.
        flows[flow]?.check = .done
        let (reading, isNew) = check.handle(sequence: sequence, flags: flags, payload)
        entry.check = .stream(check)
        switch reading {
        case .name(let name): return decide(flow, &entry, packet, .name(name), now)
        case .fault(let fault): return decide(flow, &entry, packet, .fault(fault), now)
        case .needsMore:
            // A SYN that waits would keep the rest from ever being sent.
            if flags & Self.synFlag != 0 {
                entry.check = .stream(StreamNameCheck(synSequence: sequence, limits: limits))
                flows[flow] = entry
                return .drop
            }
            guard isNew else {
                flows[flow] = entry
                return .drop
            }
            return wait(flow, &entry, packet, byteCount: check.byteCount, now)
        }
    }

    // MARK: UDP

    /// Takes a UDP packet of a flow whose name is to be seen, also after it was decided. For aggregates see `DatagramNameCheck.handle`.
    public mutating func handle(
        _ flow: InspectedFlow, of client: EndpointID, packet: UInt32, isAggregate: Bool = false, segmentBytes: Int? = nil,
        _ payload: Span<UInt8>, now: Instant
    ) -> NameAction {
        if flows[flow] == nil {
            guard insert(flow, client, .datagrams(DatagramNameCheck(limits: limits)), now) else {
                return decideUnknown(flow, client, packet, .tooManyWaiting, now)
            }
            counters.opened += 1
        }
        guard var entry = flows[flow] else { return .drop }
        guard case .datagrams(var check) = entry.check else { return decide(flow, &entry, packet, .fault(.notQUIC), now) }
        flows[flow]?.check = .done
        let reading = check.handle(payload, isAggregate: isAggregate, segmentBytes: segmentBytes, now: now)
        entry.check = .datagrams(check)
        let isSettled = entry.state == .settled
        switch reading {
        case .name(let name) where isSettled && name.name == entry.name?.name: return remain(flow, &entry, now)
        // Neither a name nor a connection that is on its way to one.
        case .needsMore where isSettled && !check.isWaiting: return remain(flow, &entry, now)
        case .name(let name): return decide(flow, &entry, packet, .name(name), now)
        case .fault(let fault): return decide(flow, &entry, packet, .fault(fault), now)
        case .needsMore: return wait(flow, &entry, packet, byteCount: check.byteCount, now)
        }
    }

    // MARK: Decisions

    /// Tells what was decided, for packets of the flow that follow in the next moments.
    ///
    /// Not for a fault of a decision that `isRepeated`: there the decision before goes on to count.
    public mutating func settle(_ flow: InspectedFlow, isAllowed: Bool) { flows[flow]?.isAllowed = isAllowed }

    /// The next time at which `expire` has something to do; nil if never. It may be early.
    public var nextDeadline: Instant? {
        var next = Self.earlier(deadlines.open.first?.due, deadlines.waiting.first?.due)
        next = Self.earlier(next, deadlines.stream.first?.due)
        return Self.earlier(next, deadlines.datagrams.first?.due)
    }

    private static func earlier(_ first: Instant?, _ second: Instant?) -> Instant? {
        guard let first, let second else { return first ?? second }
        return min(first, second)
    }

    /// Decides what has waited too long, and forgets what is over.
    public mutating func expire(now: Instant) -> [NameDecision] {
        var decisions: [NameDecision] = []
        while let entry = deadlines.waiting.first, entry.due <= now {
            deadlines.waiting.removeFirst()
            guard var flow = flows[entry.flow], flow.serial == entry.serial else { continue }
            if case .datagrams(var check) = flow.check {
                flows[entry.flow]?.check = .done
                check.giveUp()
                flow.check = .datagrams(check)
            }
            if case .decided(let decision) = decide(entry.flow, &flow, nil, .fault(.timeout), now) { decisions.append(decision) }
        }
        counters.expired += UInt64(expire(\.open, now))
        _ = expire(\.stream, now)
        _ = expire(\.datagrams, now)
        return decisions
    }

    /// Forgets a connection that ended without a word. What waits is decided as if it went on.
    public mutating func close(_ flow: InspectedFlow) {
        if flows[flow]?.state == .open { forget(flow) }
    }

    /// Forgets one flow. Returns the packets that waited: the caller gives them their verdict.
    public mutating func remove(_ flow: InspectedFlow) -> [UInt32] {
        guard let packets = flows[flow]?.packets else { return [] }
        forget(flow)
        return packets
    }

    /// Forgets all flows of an endpoint that is gone. Returns the packets that waited: they are to be dropped.
    public mutating func remove(client: EndpointID) -> [UInt32] {
        var packets: [UInt32] = []
        for (flow, entry) in flows where entry.client == client {
            packets += entry.packets
            forget(flow)
        }
        return packets
    }

    private typealias Deadlines = (open: DeadlineQueue, waiting: DeadlineQueue, stream: DeadlineQueue, datagrams: DeadlineQueue)

    private mutating func expire(_ queue: WritableKeyPath<Deadlines, DeadlineQueue>, _ now: Instant) -> Int {
        var count = 0
        while let entry = deadlines[keyPath: queue].first, entry.due <= now {
            deadlines[keyPath: queue].removeFirst()
            guard let flow = flows[entry.flow], flow.serial == entry.serial else { continue }
            forget(entry.flow)
            count += 1
        }
        return count
    }

    /// Ends the search with a finding for all packets that wait and the one at hand.
    private mutating func decide(
        _ flow: InspectedFlow, _ entry: inout NameCheckEntry, _ packet: UInt32?, _ finding: NameDecision.Finding, _ now: Instant
    ) -> NameAction {
        count(finding)
        var packets = entry.packets
        if let packet { packets.append(packet) }
        release(&entry)
        let isRepeated = entry.wasSettled
        if case .name(let name) = finding {
            entry.name = name
            entry.isAllowed = false
        }
        entry.wasSettled = true
        entry.state = .settled
        if case .stream = entry.check { entry.check = .done }
        keep(flow, &entry, now)
        return .decided(NameDecision(flow: flow, client: entry.client, finding: finding, packets: packets, isRepeated: isRepeated))
    }

    /// A further packet of a flow that was decided.
    private mutating func remain(_ flow: InspectedFlow, _ entry: inout NameCheckEntry, _ now: Instant) -> NameAction {
        keep(flow, &entry, now)
        return .settled(isAllowed: entry.isAllowed)
    }

    /// Remembers a flow that was decided. What was put together of QUIC stays for the next packets, and counts.
    private mutating func keep(_ flow: InspectedFlow, _ entry: inout NameCheckEntry, _ now: Instant) {
        if case .datagrams(let check) = entry.check {
            shares[entry.client]?.bytes += check.byteCount - entry.byteCount
            entry.byteCount = check.byteCount
        }
        schedule(flow, &entry, now)
        flows[flow] = entry
        _ = makeRoomForBytes(of: entry.client)
    }

    /// A decision on a flow that is not in the table. It is not remembered: the next packet finds the same.
    private mutating func decideUnknown(
        _ flow: InspectedFlow, _ client: EndpointID, _ packet: UInt32, _ fault: NameFault, _ now: Instant
    ) -> NameAction {
        count(.fault(fault))
        return .decided(NameDecision(flow: flow, client: client, finding: .fault(fault), packets: [packet]))
    }

    private mutating func wait(
        _ flow: InspectedFlow, _ entry: inout NameCheckEntry, _ packet: UInt32, byteCount: Int, _ now: Instant
    ) -> NameAction {
        var share = shares[entry.client] ?? Share()
        share.bytes += byteCount - entry.byteCount
        share.packets += 1
        guard entry.packets.count < limits.packetsPerFlow, packetCount < limits.packets, share.packets <= limits.packetsPerClient else {
            return decide(flow, &entry, packet, .fault(.tooManyWaiting), now)
        }
        shares[entry.client] = share
        packetCount += 1
        entry.byteCount = byteCount
        entry.packets.append(packet)
        if entry.state != .waiting {
            entry.state = .waiting
            schedule(flow, &entry, now)
        }
        flows[flow] = entry
        guard makeRoomForBytes(of: entry.client) else { return decide(flow, &entry, nil, .fault(.tooManyWaiting), now) }
        return .hold
    }

    private mutating func count(_ finding: NameDecision.Finding) {
        switch finding {
        case .name(let name):
            counters.names[Int(name.source.rawValue)] += 1
            if name.isOuter { counters.outerNames += 1 }
        case .fault(let fault): counters.faults[Int(fault.rawValue)] += 1
        }
    }

    // MARK: Room

    private mutating func insert(_ flow: InspectedFlow, _ client: EndpointID, _ check: NameCheckEntry.Check, _ now: Instant) -> Bool {
        guard makeRoom(for: client, now) else {
            counters.refused += 1
            return false
        }
        shares[client, default: Share()].flows += 1
        var entry = NameCheckEntry(client: client, check: check, due: now)
        schedule(flow, &entry, now)
        flows[flow] = entry
        return true
    }

    /// Has room for one more flow of the client, if need be by forgetting another one.
    private mutating func makeRoom(for client: EndpointID, _ now: Instant) -> Bool {
        let own = flowCount(of: client)
        guard own < limits.flowsPerClient else {
            return forgetFirst(\.settled, of: client) || forgetUnanswered(of: client, now)
        }
        if flows.count < limits.flows || forgetFirst(\.settled, of: client) { return true }
        // Who has most gives way to who has less than half of that: however many are greedy, another one finds room.
        guard let most = shares.max(by: { $0.value.flows < $1.value.flows }), most.value.flows > 2 * own + 1 else { return false }
        return forgetFirst(\.settled, of: most.key) || forgetFirst(\.open, of: most.key)
    }

    /// What was decided needs no room any more, but for packets that are in the queue just then. Data of a connection that is forgotten without any
    /// is `unknownStart`.
    private mutating func forgetFirst(_ queue: WritableKeyPath<Share, DeadlineQueue>, of client: EndpointID) -> Bool {
        while let entry = shares[client]?[keyPath: queue].first {
            shares[client]?[keyPath: queue].removeFirst()
            guard let flow = flows[entry.flow], flow.serial == entry.serial else { continue }
            if flow.state == .open { counters.expired += 1 }
            forget(entry.flow)
            return true
        }
        return false
    }

    /// The client's first connection without data, if its server has probably never answered.
    private mutating func forgetUnanswered(of client: EndpointID, _ now: Instant) -> Bool {
        let rest = limits.openSeconds > limits.unansweredSeconds ? limits.openSeconds - limits.unansweredSeconds : 0
        while let entry = shares[client]?.open.first {
            if flows[entry.flow]?.serial == entry.serial {
                return entry.due <= now.advanced(bySeconds: rest) && forgetFirst(\.open, of: client)
            }
            shares[client]?.open.removeFirst()
        }
        return false
    }

    /// Forgets decided flows of QUIC, those decided first ahead, while more is kept than may be. False if what waits alone is too much.
    private mutating func makeRoomForBytes(of client: EndpointID) -> Bool {
        while let share = shares[client], share.bytes > limits.bytesPerClient {
            guard let entry = share.settled.first else { return false }
            shares[client]?.settled.removeFirst()
            guard let flow = flows[entry.flow], flow.serial == entry.serial, flow.byteCount > 0 else { continue }
            forget(entry.flow)
        }
        return true
    }

    private mutating func forget(_ flow: InspectedFlow) {
        guard var entry = flows.removeValue(forKey: flow) else { return }
        release(&entry)
        guard var share = shares[entry.client] else { return }
        share.flows -= 1
        shares[entry.client] = share.flows == 0 ? nil : share
    }

    /// Gives back what the waiting packets of a flow took; `keep` counts again what stays.
    private mutating func release(_ entry: inout NameCheckEntry) {
        packetCount -= entry.packets.count
        shares[entry.client]?.packets -= entry.packets.count
        shares[entry.client]?.bytes -= entry.byteCount
        entry.packets.removeAll()
        entry.byteCount = 0
    }

    /// Sets the deadline that the entry's state asks for.
    private mutating func schedule(_ flow: InspectedFlow, _ entry: inout NameCheckEntry, _ now: Instant) {
        lastSerial += 1
        entry.serial = lastSerial
        switch (entry.state, entry.check) {
        case (.open, _):
            entry.due = now.advanced(bySeconds: limits.openSeconds)
            append(\.open, flow, entry)
        case (.waiting, _):
            entry.due = now.advanced(bySeconds: limits.waitingSeconds)
            append(\.waiting, flow, entry)
        case (.settled, .datagrams):
            entry.due = now.advanced(bySeconds: limits.settledDatagramSeconds)
            append(\.datagrams, flow, entry)
        case (.settled, _):
            entry.due = now.advanced(bySeconds: limits.settledStreamSeconds)
            append(\.stream, flow, entry)
        }
    }

    private mutating func append(_ queue: WritableKeyPath<Deadlines, DeadlineQueue>, _ flow: InspectedFlow, _ entry: NameCheckEntry) {
        let deadline = DeadlineQueue.Entry(due: entry.due, flow: flow, serial: entry.serial)
        deadlines[keyPath: queue].append(deadline)
        if deadlines[keyPath: queue].count > 2 * limits.flows { deadlines[keyPath: queue].compact(keeping: counts(beside: deadline)) }
        let own: WritableKeyPath<Share, DeadlineQueue>
        switch entry.state {
        case .open: own = \.open
        case .settled: own = \.settled
        case .waiting: return
        }
        shares[entry.client]?[keyPath: own].append(deadline)
        guard let count = shares[entry.client]?[keyPath: own].count, count > 2 * limits.flowsPerClient else { return }
        let counts = counts(beside: deadline)
        shares[entry.client]?[keyPath: own].compact(keeping: counts)
    }

    private func counts(beside last: DeadlineQueue.Entry) -> (DeadlineQueue.Entry) -> Bool {
        let flows = flows
        return { flows[$0.flow]?.serial == $0.serial || $0.serial == last.serial }
    }
}
