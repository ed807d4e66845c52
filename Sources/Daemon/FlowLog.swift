import DomainNames
import Enforcement
import Glibc
import Logging
import NetworkTypes
import PolicyEngine
import Synchronization

/// Turns the facts of the verdict threads into lines: to the log file, to the last lines that `exeat flows` shows, and to
/// whoever follows. Where there is neither file nor follower, lines are made when somebody asks for the last ones. One thread of
/// its own; when it cannot keep up, facts are dropped at the ring and counted, never packets.
final class FlowLog: Sendable {
    private struct State {
        var policies: [CompiledPolicy] = []
        var recent: [FlowLogEntry] = []
        var recentStart = 0
        var followers: [Int: FlowFollower] = [:]
        var nextFollower = 0
    }

    private static let recentMax = 1_024
    /// Of one ring.
    static let recordsMax = 16_384
    static let helloRecordsMax = 2_048
    private static let recordsPerDrain = 4_096
    /// They stay: others must find a place at the control socket.
    private static let followersMax = 16
    /// Records name a policy version; so many of the last ones are kept to look it up.
    private static let policiesMax = 128

    private let rings: [Ring<FlowRecord>]
    private let hellos: [Ring<HelloRecord>]
    private let store: BindingStore
    private let mailbox: FlowMailbox
    private let file: LogSink?
    private let state = Mutex(State())
    private let stopping = Atomic<Bool>(false)
    private let isOver = Atomic<Bool>(false)

    init(
        rings: [Ring<FlowRecord>], hellos: [Ring<HelloRecord>], store: BindingStore, mailbox: FlowMailbox,
        configuration: ExeatConfiguration.FlowLog, logger: Logger
    ) throws {
        self.rings = rings
        self.hellos = hellos
        self.store = store
        self.mailbox = mailbox
        guard let path = configuration.path else {
            file = nil
            return
        }
        file = try LogSink("flow log", field: "flowLog.path", path: path, bytesMax: configuration.bytesMax, logger: logger)
    }

    var linesWritten: UInt64 { file?.linesWritten ?? 0 }
    var writeErrors: UInt64 { file?.linesLost ?? 0 }

    var droppedRecords: UInt64 { rings.reduce(0) { $0 + $1.droppedCount } + hellos.reduce(0) { $0 + $1.droppedCount } }

    func start() {
        DaemonThread.start("exeat-flowlog") {
            while !self.stopping.load(ordering: .acquiring) {
                if self.drain() == 0 { usleep(5_000) }
            }
            // As much as the rings hold; verdicts go on meanwhile.
            var drains = Self.recordsMax / Self.recordsPerDrain
            while drains > 0, self.drain() > 0 { drains -= 1 }
            self.isOver.store(true, ordering: .releasing)
        }
    }

    /// What has come by now is written; `hasEnded` tells when.
    func stop() { stopping.store(true, ordering: .releasing) }

    var hasEnded: Bool { isOver.load(ordering: .acquiring) }

    /// Call it before the policy is published.
    func use(_ policy: CompiledPolicy) {
        state.withLock { state in
            state.policies.append(policy)
            guard state.policies.count > Self.policiesMax else { return }
            let oldest = state.policies.removeFirst()
            // The last lines keep no more policies alive than these.
            for index in state.recent.indices where state.recent[index].needs(oldest) {
                state.recent[index] = .text(state.recent[index].json)
            }
        }
    }

    /// The last lines, oldest first.
    func recentLines() -> [String] { state.withLock { Self.recentEntries($0) }.map(\.json) }

    private static func recentEntries(_ state: State) -> [FlowLogEntry] {
        Array(state.recent[state.recentStart...]) + Array(state.recent[..<state.recentStart])
    }

    /// Gives `body` the last lines, oldest first, and a follower that gets every later one.
    func follow(_ body: (_ recent: [String], FlowFollower) throws(DaemonError) -> Void) throws(DaemonError) {
        let follower = FlowFollower()
        let (number, recent): (Int?, [FlowLogEntry]) = state.withLock { state in
            guard state.followers.count < Self.followersMax else { return (nil, []) }
            state.followers[state.nextFollower] = follower
            state.nextFollower += 1
            return (state.nextFollower - 1, Self.recentEntries(state))
        }
        guard let number else {
            throw DaemonError(
                "\(Self.followersMax) others follow the flows", hint: "end one of them, or ask for `exeat flows --recent` again and again")
        }
        defer { state.withLock { $0.followers[number] = nil } }
        try body(recent.map(\.json), follower)
    }

    private func drain() -> Int {
        var entries: [FlowLogEntry] = []
        var facts: [FlowFact] = []
        for ring in rings {
            for _ in 0..<Self.recordsPerDrain {
                guard let record = ring.popFirst() else { break }
                let policy = state.withLock { $0.policies.last { $0.version == record.policyVersion } }
                let name = name(of: record)
                entries.append(.decided(record, policy, name))
                if let fact = fact(record, policy, name) { facts.append(fact) }
            }
        }
        for ring in hellos {
            for _ in 0..<1_024 {
                guard let hello = ring.popFirst() else { break }
                let record = hello.record
                let policy = state.withLock { $0.policies.last { $0.version == record.policyVersion } }
                let name = name(of: record)
                entries.append(.named(hello, policy, name))
                if let fact = fact(hello, policy, name) { facts.append(fact) }
            }
        }
        guard !entries.isEmpty else { return 0 }
        if !facts.isEmpty { mailbox.post(facts) }
        publish(entries)
        return entries.count
    }

    /// Flows that have ended. From the thread of the flows.
    func append(ended flows: [TrackedFlow], _ policy: CompiledPolicy) {
        let earlier = state.withLock { $0.policies }
        publish(
            flows.map { flow in
                // An endpoint may be gone by the time that its flows end.
                let knowing = policy.endpoint(flow.endpoint) == nil ? earlier.last { $0.endpoint(flow.endpoint) != nil } : policy
                return .ended(flow, knowing ?? policy)
            })
    }

    private func publish(_ entries: [FlowLogEntry]) {
        // Made outside of the lock, unless somebody begins to follow just now.
        let hasFile = file != nil
        var lines = state.withLock { hasFile || !$0.followers.isEmpty } ? entries.map(\.json) : []
        state.withLock { state in
            for entry in entries {
                if state.recent.count < Self.recentMax {
                    state.recent.append(entry)
                } else {
                    state.recent[state.recentStart] = entry
                    state.recentStart = (state.recentStart + 1) % Self.recentMax
                }
            }
            guard !lines.isEmpty || !state.followers.isEmpty else { return }
            if lines.isEmpty { lines = entries.map(\.json) }
            for follower in state.followers.values { follower.offer(lines) }
        }
        file?.write(lines)
    }

    private func name(of record: FlowRecord) -> DomainName? {
        guard let id = record.endpoint, record.nameRecord >= 0 else { return nil }
        return store.name(ofRecord: Int(record.nameRecord), client: id, address: record.flow.destination)
    }

    /// What the flows' table has to know: admissions, and refusals of what was admitted.
    private func fact(_ record: FlowRecord, _ policy: CompiledPolicy?, _ name: DomainName?) -> FlowFact? {
        // In audit mode what would be refused is let through.
        let isAllowed = record.verdict == .allow || record.verdict == .auditDeny
        guard let id = record.endpoint, isAllowed || record.isRedecision else { return nil }
        return FlowFact(
            time: record.time, flow: record.flow, isAllowed: isAllowed, isRedecision: record.isRedecision,
            admission: FlowAdmission(
                endpoint: id, name: name, rule: policy?.description(ofRule: record.rule)?.description ?? "", reason: record.reason,
                policyVersion: record.policyVersion))
    }

    /// A flow that was admitted as far as its address goes is refused now, or has given the name under which it goes on.
    private func fact(_ hello: HelloRecord, _ policy: CompiledPolicy?, _ name: DomainName?) -> FlowFact? {
        let record = hello.record
        let isAllowed = record.verdict == .allow || record.verdict == .auditDeny
        guard let id = record.endpoint, !isAllowed || name != nil else { return nil }
        return FlowFact(
            time: record.time, flow: record.flow, isAllowed: isAllowed, isRedecision: true,
            admission: FlowAdmission(
                endpoint: id, name: name, rule: policy?.description(ofRule: record.rule)?.description ?? "", reason: record.reason,
                policyVersion: record.policyVersion))
    }
}
