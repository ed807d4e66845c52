import CLinux
import DNSMessages
import Enforcement
import Glibc
import NetworkTypes

/// All state of a DNS worker but its gate, so that none of it depends on the gate's type.
///
/// One thread owns it. A turn is: wait, handle what is ready, expire what is late, send what was written. The parts:
/// `+Queries` (a client's query to its answer), `+Datagrams`, `+Connections` (the two front ends), `+Forwarding` (questions to upstreams), `+Endings` (what they came to),
/// `+UpstreamStreams` (TCP to upstreams), `+TLS`, `+Probes` (upstreams that are down).
@safe
struct DNSWorkerCore: ~Copyable {
    let configuration: DNSWorkerConfiguration
    let counters: DNSCounters
    /// What is not a UDP listener.
    let poll: EventPoll
    let datagramWait: DatagramWait
    var listeners: [Listener]
    /// The time of this turn, read after the wait and after each upstream reply.
    var now: Instant

    // Datagrams.
    var received: DatagramBatch
    var unsent: DatagramBatch
    var trains: DatagramTrains
    var unsentCount = 0
    var unsentListener = 0

    // Answers and questions in flight.
    var cache: AnswerCache
    /// Names that are answered here.
    var local: Published<LocalData>.Reader
    var tunnels: TunnelGuard
    var strangers = StrangerLimit()
    /// The root zone, then the others.
    var zones: [ZoneState]
    let zoneTable: ZoneTable
    /// Zone and number in it of every upstream.
    let upstreams: [(zone: Int, number: Int)]
    /// Clients' questions, ``DNSWorkerConfiguration/outstandingMax`` at most; then a place for the probe of each upstream.
    var transactions: [Transaction?]
    var freeTransactions: [Int]
    var inFlight: [CacheKey: Int] = [:]
    var attemptDeadlines: DeadlineHeap
    /// When those who wait for a transaction get an answer that has expired; no places if none is ever given.
    var staleDeadlines: DeadlineHeap
    /// When the query came whose reply is written now, if it had to wait for it; for the log.
    var waitedSince: Instant?
    /// Whether that query is one that the guard against tunnels would have refused; for the log.
    var isSuspect = false
    /// No further queries are taken.
    var isDraining = false
    /// Transactions that nobody waited for at their start, or when they were late.
    var refreshCount = 0
    var refreshesByShare: [ClientShare: Int] = [:]
    var waitingCount = 0
    var waitingByShare: [ClientShare: Int] = [:]
    var generation: UInt32 = 0
    var random = SystemRandomNumberGenerator()
    /// Sockets of finished attempts: closed at the end of the turn, as that is not urgent.
    var finishedDescriptors: [Int32] = []
    /// Misses answered but not yet sent: when the query came, when the upstream's reply was read.
    var unsentMisses: [(arrivedAt: Instant, readAt: Instant)] = []

    /// Upstreams that were down and have answered in this turn.
    var returnedUpstreams: [ReturnedUpstream] = []
    var mustForgetFailures = false

    // TCP connections to upstreams.
    var upstreamConnections: [UpstreamConnection?]
    var freeUpstreamConnections: [Int]
    /// Slots of those that each upstream has.
    var upstreamPools: [[Int]]
    /// When an idle one is closed, or one whose TLS handshake is not over.
    var upstreamIdleDeadlines: DeadlineHeap
    /// Of each upstream; empty for those without TLS.
    var tlsStates: [TLSState]

    // Packets that wait for answers.
    let link: HoldLink?
    var redials: RunningRedials

    // TCP clients.
    var connections: [ClientConnection?]
    var freeConnections: [Int]
    var idleDeadlines: DeadlineHeap
    /// Slots of connections that have something to do at the end of the turn.
    var markedConnections: [Int] = []

    /// One upstream message, with the length in front over TCP.
    let upstreamBuffer: UnsafeMutableBufferPointer<UInt8>
    /// One reply to a TCP client.
    let replyBuffer: UnsafeMutableBufferPointer<UInt8>

    struct Listener {
        let descriptor: Int32
        let isTCP: Bool
        /// Of the node's processes that alone are brought here; 0: whoever asks is known by address.
        let classNumber: UInt8
        /// Drops that the socket had counted when last asked.
        var drops: UInt32 = 0
        /// After an accept error it is not polled until then.
        var pausedUntil: Instant?
    }

    enum TokenKind: UInt64 {
        case mailbox, listener, connection, transaction, upstream
    }

    init(
        configuration: DNSWorkerConfiguration, datagramSockets: [Int32], streamSockets: [Int32], counters: DNSCounters, mailbox: Int32,
        link: HoldLink? = nil
    ) throws(DNSSocketError) {
        try Self.check(mark: configuration.upstreamMark)
        let poll = try EventPoll()
        for (index, descriptor) in streamSockets.enumerated() {
            try poll.add(descriptor, token: Self.token(.listener, slot: datagramSockets.count + index, generation: 0))
        }
        try poll.add(mailbox, token: Self.token(.mailbox, slot: 0, generation: 0))
        datagramWait = DatagramWait(datagramSockets, poll)
        self.poll = poll
        self.configuration = configuration
        self.counters = counters
        func classNumber(_ descriptor: Int32) -> UInt8 {
            guard configuration.classPort != nil, let address = SocketAddress.ofSocket(descriptor) else { return 0 }
            return configuration.classNumber(ofPort: address.port)
        }
        listeners = datagramSockets.map {
            Listener(descriptor: $0, isTCP: false, classNumber: classNumber($0), drops: DNSSockets.drops(of: $0))
        }
        listeners += streamSockets.map { Listener(descriptor: $0, isTCP: true, classNumber: classNumber($0)) }
        now = Self.clock()
        received = DatagramBatch(capacity: 64, payloadBytes: 2_048)
        unsent = DatagramBatch(capacity: 64, payloadBytes: max(DNSReply.udpPayloadSizeDefault, configuration.datagramBytesMax))
        trains = DatagramTrains(capacity: unsent.capacity)
        cache = AnswerCache(
            bytesMax: configuration.cacheBytesMax, entriesMax: configuration.cacheEntriesMax,
            staleSecondsMax: configuration.staleSecondsMax, prefetchHitsMin: configuration.prefetchHits)
        local = Published.Reader(configuration.local)
        tunnels = TunnelGuard(configuration.tunnels)
        let forwarding = Self.forwarding(configuration)
        zones = forwarding.zones
        zoneTable = ZoneTable(forwarding.zones.map(\.configuration.name))
        upstreams = forwarding.upstreams
        let outstandingMax = Self.outstandingMax(configuration)
        transactions = Array(repeating: nil, count: outstandingMax + forwarding.upstreams.count)
        freeTransactions = Array((0..<outstandingMax).reversed())
        attemptDeadlines = DeadlineHeap(slots: outstandingMax + forwarding.upstreams.count)
        staleDeadlines = DeadlineHeap(slots: configuration.keepsStale ? outstandingMax : 0)
        upstreamConnections = Array(repeating: nil, count: forwarding.connectionsMax)
        freeUpstreamConnections = Array((0..<forwarding.connectionsMax).reversed())
        upstreamPools = Array(repeating: [], count: forwarding.upstreams.count)
        upstreamIdleDeadlines = DeadlineHeap(slots: forwarding.connectionsMax)
        tlsStates = Array(repeating: TLSState(), count: forwarding.upstreams.count)
        self.link = link
        redials = RunningRedials()
        let connectionsMax = min(max(0, configuration.tcpConnectionsMax), 65_536)
        connections = Array(repeating: nil, count: connectionsMax)
        freeConnections = Array((0..<connectionsMax).reversed())
        idleDeadlines = DeadlineHeap(slots: connectionsMax)
        unsafe upstreamBuffer = .allocate(capacity: 65_537)
        unsafe upstreamBuffer.initialize(repeating: 0)
        unsafe replyBuffer = .allocate(capacity: 65_535)
        unsafe replyBuffer.initialize(repeating: 0)
        unsentMisses.reserveCapacity(64)
    }

    deinit {
        for listener in listeners { close(listener.descriptor) }
        for descriptor in finishedDescriptors { close(descriptor) }
        unsafe upstreamBuffer.deallocate()
        unsafe replyBuffer.deallocate()
    }

    // MARK: the turn

    /// Waits until something is ready, a deadline is due or `until` has come, and handles it. True if the mailbox rang.
    mutating func turn<G: AnswerGate & ~Copyable>(until: Instant, gate: inout G) -> Bool {
        let isReady = datagramWait.wait(milliseconds: waitMilliseconds(until: until))
        now = Self.clock()
        var rang = false
        for index in 0..<(isReady && datagramWait.hasEvents ? poll.take() : 0) {
            let event = poll[index]
            let slot = Int(event.token & 0xff_ffff)
            let generation = UInt32(truncatingIfNeeded: event.token >> 24)
            switch TokenKind(rawValue: event.token >> 56) {
            case .mailbox:
                rang = true
            case .listener:
                acceptConnections(listener: slot, gate: &gate)
            case .connection:
                connectionIsReady(slot, generation, event)
            case .transaction:
                transactionIsReady(slot & ~Self.secondPlace, generation, place: slot & Self.secondPlace == 0 ? 0 : 1, gate: &gate)
            case .upstream:
                upstreamConnectionIsReady(slot, generation, event, gate: &gate)
            case nil:
                preconditionFailure("an event of unknown kind")
            }
        }
        // UDP listeners come first, in the order in which they are waited for.
        for index in listeners.indices where isReady && !listeners[index].isTCP && datagramWait.isReady(index) {
            flushDatagrams()
            receiveDatagrams(listener: index, gate: &gate)
        }
        expire(gate: &gate)
        askAgain(gate: &gate)
        flushDatagrams()
        serviceConnections(gate: &gate)
        flushDatagrams()
        closeFinished()
        return rang
    }

    /// Goes on for those who wait for upstreams, and takes nobody else's query. True if the mailbox rang; then it wants to be called again.
    mutating func drain<G: AnswerGate & ~Copyable>(until end: Instant, gate: inout G) -> Bool {
        datagramWait.leaveSockets()
        isDraining = true
        for index in listeners.indices where listeners[index].isTCP {
            if listeners[index].pausedUntil == nil { poll.remove(listeners[index].descriptor) }
            listeners[index].pausedUntil = nil
        }
        while waitingCount > 0, now < end {
            if turn(until: end, gate: &gate) { return true }
        }
        return false
    }

    /// Once a second: what is cheaper to ask than to follow.
    mutating func tick() {
        for index in listeners.indices where !listeners[index].isTCP {
            let drops = DNSSockets.drops(of: listeners[index].descriptor)
            counters.add(.datagramsLostBeforeReceive, UInt64(drops &- listeners[index].drops))
            listeners[index].drops = drops
        }
        redials.beginSecond()
        refreshLocalData()
        refreshLiveUpstreams()
        updateGauges()
    }

    func updateGauges() {
        counters.set(.cacheBytes, cache.bytes)
        counters.set(.cacheEntries, cache.count)
        counters.set(.cacheDenials, cache.denials)
        counters.set(.cacheEvictions, Int(truncatingIfNeeded: cache.evictions))
        counters.set(.waiting, waitingCount)
        counters.set(.outstanding, Self.outstandingMax(configuration) - freeTransactions.count)
        counters.set(.upstreamsDown, zones.reduce(0) { $0 + $1.upstreams.count { !$0.isUp && $0.isListed } })
        counters.set(.upstreamConnectionsOpen, upstreamConnections.count - freeUpstreamConnections.count)
        reportUpstreams()
        counters.set(.tcpOpen, connections.count - freeConnections.count)
    }

    private mutating func expire<G: AnswerGate & ~Copyable>(gate: inout G) {
        while let slot = attemptDeadlines.popExpired(now: now) { deadlineHasCome(slot, gate: &gate) }
        while let slot = staleDeadlines.popExpired(now: now) { isLate(slot, gate: &gate) }
        while let slot = upstreamIdleDeadlines.popExpired(now: now) { upstreamConnectionIsIdle(slot, gate: &gate) }
        while let slot = idleDeadlines.popExpired(now: now) { connectionIsIdle(slot) }
        for index in listeners.indices {
            guard let until = listeners[index].pausedUntil, until <= now else { continue }
            listeners[index].pausedUntil = nil
            do throws(DNSSocketError) {
                try poll.add(listeners[index].descriptor, token: Self.token(.listener, slot: index, generation: 0))
            } catch {
                pause(listener: index)
            }
        }
    }

    private func waitMilliseconds(until: Instant) -> Int32 {
        guard returnedUpstreams.isEmpty else { return 0 }
        var next = until
        if let deadline = attemptDeadlines.earliest { next = min(next, deadline) }
        if let deadline = staleDeadlines.earliest { next = min(next, deadline) }
        if let deadline = idleDeadlines.earliest { next = min(next, deadline) }
        if let deadline = upstreamIdleDeadlines.earliest { next = min(next, deadline) }
        for index in listeners.indices {
            if let deadline = listeners[index].pausedUntil { next = min(next, deadline) }
        }
        return Int32(clamping: (next.nanoseconds(since: Self.clock()) + 999_999) / 1_000_000)
    }

    // MARK: small things

    static func outstandingMax(_ configuration: DNSWorkerConfiguration) -> Int { min(max(1, configuration.outstandingMax), 65_536) }

    /// The bit of a transaction's slot in a token that says that the event is of its attempt in place 1.
    static var secondPlace: Int { 1 << 23 }

    static func token(_ kind: TokenKind, slot: Int, generation: UInt32) -> UInt64 {
        kind.rawValue << 56 | UInt64(generation) << 24 | UInt64(slot)
    }

    mutating func nextGeneration() -> UInt32 {
        generation &+= 1
        return generation
    }

    static func clock() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// Fails at the start rather than at each query if the mark may not be set.
    private static func check(mark: UInt32?) throws(DNSSocketError) {
        guard let mark else { return }
        let descriptor = DNSSockets.newSocket(.v4, SOCK_DGRAM)
        guard descriptor >= 0 else { throw DNSSocketError(.socket, code: errno) }
        defer { close(descriptor) }
        try DNSSockets.set(descriptor, SOL_SOCKET, SO_MARK, Int32(bitPattern: mark))
    }
}
