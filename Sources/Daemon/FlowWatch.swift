import Conntrack
import DNSInterceptor
import Enforcement
import FlowResets
import Glibc
import Logging
import NetfilterTables
import NetworkTypes
import PolicyEngine
import Synchronization

/// The thread "exeat-flows": owns the FlowTable, follows connection tracking, and carries out what the table asks for.
///
/// ```
/// FlowLog ----------- facts --+                       +--> flow log: ended flows
/// control socket -- questions +--> exeat-flows -------+--> conntrack marks: redecide
/// conntrack -- events, dump --+    (FlowTable)        +--> NameTable: which bindings still drain
/// verdict threads --- resets --> (FlowResetter) ------+--> resets
/// ```
/// A sweep (dump) runs at the start, after losses, and every `sweepSeconds`; only events of flows that bear one of our marks are asked for, and none
/// of mere changes, which cost the kernel several per connection and tell nothing that verdicts do not. The thread sleeps a moment after it
/// is called, so that a burst of events costs one wakeup.
///
/// Sockets are opened by `init`, before privileges are given up.
final class FlowWatch: @unchecked Sendable {
    private static let sweepSeconds: UInt64 = 60
    /// After a loss once more, so that two sweeps have looked for what is missing.
    private static let secondSweepSeconds: UInt64 = 2
    private static let pauseMicroseconds: UInt32 = 5_000

    private let layout: MarkLayout
    private let published: Published<CompiledPolicy>
    private let names: DNSMailbox<WorkerGate>
    private let mailbox: FlowMailbox
    private let flowLog: FlowLog
    private let resets: [Ring<FlowReset>]
    private let verifiedNames: VerifiedNames
    private let logger: Logger
    private let shared = Mutex(FlowReport())

    // Of the thread alone.
    private var table: FlowTable
    private var events: ConntrackEventSocket
    private var conntrack: ConntrackSocket
    private var resetter: FlowResetter
    private var report = FlowReport()
    private var nextSweep = Instant(nanoseconds: 0)
    private var lastSweep = Instant(nanoseconds: 0)
    private var lastErrorLog = Instant(nanoseconds: 0)
    private var cappedAddresses: Set<IPAddress> = []
    private var capChanged: (Set<IPAddress>) -> Void = { _ in }
    private var revoked = RevokedFlows()
    /// Whether there may be revoked flows other than TCP.
    private var hasRevoked = false
    private var nextKeeping = Instant(nanoseconds: 0)

    init(
        memory: SharedMemory, capacity: Int, bootMark: UInt64, connectionsPerEndpoint: Int, layout: MarkLayout,
        published: Published<CompiledPolicy>,
        names: DNSMailbox<WorkerGate>,
        mailbox: FlowMailbox, flowLog: FlowLog, resets: [Ring<FlowReset>], verifiedNames: VerifiedNames, logger: Logger
    ) throws {
        Self.countTraffic(logger)
        self.layout = layout
        self.published = published
        self.names = names
        self.mailbox = mailbox
        self.flowLog = flowLog
        self.resets = resets
        self.verifiedNames = verifiedNames
        self.logger = logger
        table = FlowTable(memory, capacity: capacity, bootMark: bootMark, connectionsPerEndpoint: connectionsPerEndpoint)
        events = try ConntrackEventSocket([.began, .ended], markMask: layout.mask)
        conntrack = try ConntrackSocket()
        resetter = try FlowResetter()
        publish()
    }

    var state: FlowReport { shared.withLock { $0 } }

    /// Counters and times of entries that are made from now on.
    private static func countTraffic(_ logger: Logger) {
        for name in ["nf_conntrack_acct", "nf_conntrack_timestamp"] {
            let path = "/proc/sys/net/netfilter/\(name)"
            let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
            var isSet = false
            if descriptor >= 0 { isSet = unsafe write(descriptor, "1\n", 2) == 2 }
            let code = errno
            if descriptor >= 0 { close(descriptor) }
            if !isSet { logger.warning("flows are told of without counters or times", metadata: ["file": "\(path)", "errno": "\(code)"]) }
        }
        if (try? TextFile.read("/proc/sys/net/netfilter/nf_conntrack_events"))?.hasPrefix("0") ?? false {
            logger.warning("net.netfilter.nf_conntrack_events is 0: flows are known by sweeps alone")
        }
    }

    /// `capChanged` is told, on the thread, the addresses of all endpoints that have as many flows as they may, whenever these are others
    /// than before.
    func start(capChanged: @escaping @Sendable (Set<IPAddress>) -> Void) {
        DaemonThread.start("exeat-flows") { [self] in
            self.capChanged = capChanged
            sweep(releases: true)
            tellCapped()
            while turn() {}
        }
    }

    // MARK: The thread

    /// Waits for work and does it; false when it is to end.
    private func turn() -> Bool {
        let now = BootClock.now()
        let rest = nextSweep.nanoseconds(since: now) / 1_000_000
        var polled = [
            pollfd(fd: events.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: mailbox.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        if unsafe poll(&polled, 2, Int32(clamping: min(rest, 500))) > 0 { usleep(Self.pauseMicroseconds) }
        let letters = mailbox.take()
        if letters.mustStop { return false }
        for fact in letters.facts {
            perform(.decided(fact))
            if fact.isRedecision, !fact.isAllowed, fact.flow.transport != .tcp { hasRevoked = true }
        }
        readEvents()
        tellCapped()
        sendResets()
        if BootClock.now() >= nextSweep { sweep(releases: true) }
        if hasRevoked, BootClock.now() >= nextKeeping { keepRevoked() }
        if !letters.questions.isEmpty {
            // Fresh numbers, at most once a second.
            if BootClock.now().nanoseconds(since: lastSweep) > 1_000_000_000 { sweep(releases: false) }
            let lines = self.lines()
            for question in letters.questions { question(lines) }
        }
        publish()
        return true
    }

    private func publish() {
        report.counters = table.counters
        report.live = table.liveCount
        report.tracked = table.flowCount
        report.capped = table.cap.capped.count
        report.cappings = table.cap.cappings
        let now = report
        shared.withLock { $0 = now }
    }

    /// A host endpoint is the node itself: it is never capped.
    private func tellCapped() {
        guard !table.cap.capped.isEmpty || !cappedAddresses.isEmpty else { return }
        let policy = published.current
        var addresses: Set<IPAddress> = []
        for id in table.cap.capped {
            if let endpoint = policy.endpoint(id), !endpoint.isHost { addresses.formUnion(endpoint.addresses) }
        }
        guard addresses != cappedAddresses else { return }
        cappedAddresses = addresses
        capChanged(addresses)
    }

    private func readEvents() {
        let policy = published.current
        var found: [ConntrackEvent] = []
        do throws(ConntrackError) {
            let reading = try events.read { found.append($0) }
            report.malformedEvents += UInt64(reading.malformed)
            if reading.hasLost {
                report.losses += 1
                nextSweep = BootClock.now()
            }
        } catch {
            complain("conntrack events cannot be read", error)
        }
        guard !found.isEmpty else { return }
        let clock = WallClock()
        for event in found {
            report.events[Int(event.kind.rawValue)] += 1
            let sight = sight(of: event.entry, policy, clock)
            perform(event.kind == .ended ? .ended(sight) : .seen(sight))
        }
    }

    /// Entries of revoked flows live on while their servers may send again; see `RevokedFlows`.
    private func keepRevoked() {
        let now = BootClock.now()
        nextKeeping = now.advanced(bySeconds: RevokedFlows.walkSeconds)
        var entries: [ConntrackEntry] = []
        revoked.begin(now: now)
        do throws(ConntrackError) {
            // A TCP connection needs none: without a SYN nothing begins towards a pod.
            try conntrack.dump(mark: layout.deposit(layout.denied), mask: layout.mask) { if $0.transport != .tcp { entries.append($0) } }
            for entry in entries {
                let packets = (entry.originalCount?.packets ?? 0) &+ (entry.replyCount?.packets ?? 0)
                guard revoked.note(key(of: entry), packets: packets, remainingSeconds: entry.timeoutSeconds ?? 0) else { continue }
                _ = try conntrack.setTimeout(
                    seconds: RevokedFlows.timeoutSeconds, of: entry.original, entry.transport, zone: entry.zone)
            }
            revoked.end()
            hasRevoked = !entries.isEmpty
        } catch {
            complain("revoked flows cannot be kept", error)
        }
        report.revokedKept = revoked.count
        report.revokedOverflows = revoked.overflows
    }

    /// Looks at every entry. `releases`: the names of addresses that nothing uses any more may go.
    private func sweep(releases: Bool) {
        let policy = published.current
        let clock = WallClock()
        let wasLost = report.losses
        let began = BootClock.now()
        var entries: [ConntrackEntry] = []
        perform(.sweepBegan)
        do throws(ConntrackError) {
            try conntrack.dump { entry in
                if entry.mark & layout.mask != 0 || policy.endpointIndex(of: entry.original.source) != nil { entries.append(entry) }
            }
            for entry in entries {
                perform(.swept(sight(of: entry, policy, clock)))
                if layout.extract(entry.mark) == layout.denied, entry.transport != .tcp { hasRevoked = true }
            }
            perform(.sweepEnded(isComplete: true))
        } catch {
            report.brokenSweeps += 1
            perform(.sweepEnded(isComplete: false))
            complain("conntrack cannot be read", error)
            nextSweep = BootClock.now().advanced(bySeconds: Self.secondSweepSeconds)
            return
        }
        lastSweep = BootClock.now()
        guard releases else { return }
        let isSecondDue = sweptLosses < wasLost || table.counters.sweeps < 2
        nextSweep = lastSweep.advanced(bySeconds: isSecondDue ? Self.secondSweepSeconds : Self.sweepSeconds)
        sweptLosses = wasLost
        let uses = table.uses
        names.post { gate in gate.releaseDraining(sweepBegan: began) { uses.contains($0, $1) } }
    }
    private var sweptLosses: UInt64 = 0

    private func sight(of entry: ConntrackEntry, _ policy: CompiledPolicy, _ clock: WallClock) -> FlowSight {
        let key = key(of: entry)
        var traffic: FlowTraffic?
        if let out = entry.originalCount, let back = entry.replyCount {
            traffic = FlowTraffic(packetsOut: out.packets, bytesOut: out.bytes, packetsIn: back.packets, bytesIn: back.bytes)
        }
        return FlowSight(
            key: key, originalDestination: entry.original.destination, originalDestinationPort: entry.original.destinationPort,
            id: entry.id,
            mark: mark(layout.extract(entry.mark)), endpoint: endpoint(of: key.source, layout.extract(entry.mark), policy),
            count: traffic, start: entry.startNanoseconds.map(clock.instant))
    }

    private func key(of entry: ConntrackEntry) -> FlowKey {
        FlowKey(
            source: entry.original.source, destination: entry.reply.source, transport: entry.transport,
            sourcePort: entry.original.sourcePort,
            destinationPort: entry.transport.hasPorts ? entry.reply.sourcePort : entry.original.destinationPort)
    }

    /// By address, or of the node's own flows by the class that the mark tells.
    private func endpoint(of source: IPAddress, _ code: UInt32, _ policy: CompiledPolicy) -> EndpointID? {
        let position = policy.endpointIndex(of: source)
        if let position, !policy.endpoints[position].isHost { return policy.programs[position].id }
        let number = layout.classesMax > 0 ? UInt8(truncatingIfNeeded: code >> layout.classShift) : 0
        return (policy.endpointIndex(ofClass: number) ?? position).map { policy.programs[$0].id }
    }

    private func mark(_ code: UInt32) -> FlowSight.Mark {
        switch code {
        case 0: .none
        case 1...layout.generationMax: .admitted
        case layout.pending, layout.checkedQUIC: .pending
        case layout.denied: .denied
        default: .asked
        }
    }

    private func perform(_ event: FlowEvent) {
        let actions = table.handle(event, now: BootClock.now())
        guard !actions.isEmpty else { return }
        var ended: [TrackedFlow] = []
        for action in actions {
            switch action {
            case .ended(let flow):
                verifiedNames.remove(flow.key)
                ended.append(flow)
            // No packet bears this code in its ct mark: it is in no `current`, so that the table asks with it.
            case .redecide(let flow):
                let number = published.current.endpoint(flow.endpoint)?.classNumber ?? 0
                setMark(number == 0 ? layout.redecideOriginal : layout.question(ofClass: UInt32(number), 1), flow)
            }
        }
        if !ended.isEmpty { flowLog.append(ended: ended, published.current) }
    }

    private func setMark(_ code: UInt32, _ flow: TrackedFlow) {
        let original = FlowAddresses(
            source: flow.key.source, destination: flow.originalDestination, sourcePort: flow.key.sourcePort,
            destinationPort: flow.originalDestinationPort)
        do throws(ConntrackError) {
            _ = try conntrack.setMark(layout.deposit(code), mask: layout.mask, of: original, flow.key.transport)
        } catch {
            complain("a conntrack mark cannot be changed", error)
        }
    }

    private func sendResets() {
        for ring in resets {
            while let record = ring.popFirst() {
                let ends =
                    record.isReply
                    ? (record.destination, record.source, record.destinationPort, record.sourcePort)
                    : (record.source, record.destination, record.sourcePort, record.destinationPort)
                let key = FlowKey(source: ends.0, destination: ends.1, transport: .tcp, sourcePort: ends.2, destinationPort: ends.3)
                let original = table.flow(key).map { flow in
                    FlowAddresses(
                        source: ends.0, destination: flow.originalDestination, sourcePort: ends.2,
                        destinationPort: flow.originalDestinationPort)
                }
                do throws(ResetError) {
                    switch try resetter.reset(record, original: original, now: BootClock.now()) {
                    case .sent(let count): report.resets[0] += UInt64(count)
                    case .noFlow: report.resets[1] += 1
                    case .limited: report.resets[2] += 1
                    }
                } catch {
                    report.resets[3] += 1
                    complain("a connection cannot be reset", error)
                }
            }
        }
    }

    /// At most once a minute.
    private func complain(_ message: Logger.Message, _ error: any Error) {
        let now = BootClock.now()
        guard lastErrorLog == Instant(nanoseconds: 0) || now.nanoseconds(since: lastErrorLog) > 60_000_000_000 else { return }
        lastErrorLog = now
        logger.error(message, metadata: ["error": "\(error)"])
    }

    // MARK: exeat flows

    private func lines() -> [String] {
        let policy = published.current
        let flows = table.all.sorted { $0.start < $1.start }
        return flows.map { FlowLine(live: $0, policy).json }
    }
}
