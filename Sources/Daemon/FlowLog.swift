import DomainNames
import Enforcement
import Glibc
import Logging
import NetworkTypes
import PacketHeaders
import PolicyEngine
import Synchronization
import Telemetry

/// Turns the facts of the verdict threads into lines: to the log file, to the last lines that `exeat flows` shows, and to
/// whoever follows. One thread of its own; when it cannot keep up, facts are dropped at the ring and counted, never packets.
final class FlowLog: Sendable {
    private struct State {
        var policies: [CompiledPolicy] = []
        var recent: [String] = []
        var recentStart = 0
        var file: Int32 = -1
        var fileBytes = 0
        var followers: [Int: FlowFollower] = [:]
        var nextFollower = 0
        var lastErrorLog = Instant(nanoseconds: 0)
    }

    private static let recentMax = 1_024
    /// Records name a policy version; so many of the last ones are kept to look it up.
    private static let policiesMax = 128

    private let rings: [Ring<FlowRecord>]
    private let store: BindingStore
    private let mailbox: FlowMailbox
    private let path: String?
    private let bytesMax: Int
    private let logger: Logger
    private let state = Mutex(State())
    private let stopping = Atomic<Bool>(false)
    let linesWritten = Atomic<UInt64>(0)
    let writeErrors = Atomic<UInt64>(0)

    init(rings: [Ring<FlowRecord>], store: BindingStore, mailbox: FlowMailbox, configuration: ExeatConfiguration.FlowLog, logger: Logger)
        throws
    {
        self.rings = rings
        self.store = store
        self.mailbox = mailbox
        path = configuration.path
        bytesMax = configuration.bytesMax
        self.logger = logger
        if let path {
            let opened = try Self.open(path)
            state.withLock { ($0.file, $0.fileBytes) = opened }
        }
    }

    var droppedRecords: UInt64 { rings.reduce(0) { $0 + $1.droppedCount } }

    func start() {
        DaemonThread.start("exeat-flowlog") {
            while !self.stopping.load(ordering: .relaxed) {
                if self.drain() == 0 { usleep(5_000) }
            }
            _ = self.drain()
        }
    }

    func stop() { stopping.store(true, ordering: .relaxed) }

    /// Call it before the policy is published.
    func use(_ policy: CompiledPolicy) {
        state.withLock { state in
            state.policies.append(policy)
            if state.policies.count > Self.policiesMax { state.policies.removeFirst() }
        }
    }

    /// The last lines, oldest first.
    func recentLines() -> [String] {
        state.withLock { Array($0.recent[$0.recentStart...]) + Array($0.recent[..<$0.recentStart]) }
    }

    func follow() -> FlowFollower {
        let follower = FlowFollower()
        state.withLock { state in
            state.followers[state.nextFollower] = follower
            state.nextFollower += 1
        }
        return follower
    }

    private func drain() -> Int {
        var lines: [String] = []
        var facts: [FlowFact] = []
        for ring in rings {
            for _ in 0..<4_096 {
                guard let record = ring.popFirst() else { break }
                let policy = state.withLock { $0.policies.last { $0.version == record.policyVersion } }
                let name = name(of: record)
                lines.append(line(record, policy, name).json)
                if let fact = fact(record, policy, name) { facts.append(fact) }
            }
        }
        guard !lines.isEmpty else { return 0 }
        if !facts.isEmpty { mailbox.post(facts) }
        publish(lines)
        return lines.count
    }

    /// Flows that have ended. From the thread of the flows.
    func append(ended flows: [TrackedFlow], _ policy: CompiledPolicy) {
        let earlier = state.withLock { $0.policies }
        publish(
            flows.map { flow in
                // An endpoint may be gone by the time that its flows end.
                let knowing = policy.endpoint(flow.endpoint) == nil ? earlier.last { $0.endpoint(flow.endpoint) != nil } : policy
                return FlowLine(ended: flow, knowing ?? policy).json
            })
    }

    private func publish(_ lines: [String]) {
        state.withLock { state in
            for line in lines {
                if state.recent.count < Self.recentMax {
                    state.recent.append(line)
                } else {
                    state.recent[state.recentStart] = line
                    state.recentStart = (state.recentStart + 1) % Self.recentMax
                }
            }
            state.followers = state.followers.filter { $0.value.offer(lines) }
            write(lines, &state)
        }
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

    private func line(_ record: FlowRecord, _ policy: CompiledPolicy?, _ name: DomainName?) -> FlowLogLine {
        var line = FlowLogLine()
        line.time = BootClock.wallClockText(record.time)
        line.source = record.flow.source.description
        line.sourcePort = record.flow.sourcePort
        line.destination = record.flow.destination.description
        line.destinationPort = record.flow.destinationPort
        line.transport = record.flow.transport.description
        line.reason = record.reason.label
        line.isRedecision = record.isRedecision
        switch record.verdict {
        case .allow: line.verdict = "allow"
        case .reject: line.verdict = "reject"
        case .drop: line.verdict = "drop"
        case .auditDeny: line.verdict = "audit_deny"
        }
        if record.reason == .malformedPacket {
            line.detail = PacketError(rawValue: record.detail)?.label
        } else if record.detail > 0 {
            line.detail = HoldOutcome(rawValue: record.detail - 1).map { "hold_\($0.label)" }
        }
        guard let policy else { return line }
        if let id = record.endpoint, let endpoint = policy.endpoint(id) {
            line.endpoint = endpoint.name
            line.namespace = endpoint.namespace
            line.labels = endpoint.labels
            if let name { line.names = [name.description] }
        }
        if let description = policy.description(ofRule: record.rule) {
            line.tier = description.tier
            line.policy = description.policy
            line.rule = description.rule.map { "egress[\($0)]" }
        }
        if let staged = record.staged {
            line.stagedVerdict = staged.isAllowed ? "allow" : "deny"
            line.stagedReason = staged.reason.label
            line.stagedRule = policy.description(ofRule: staged.rule)?.description
        }
        return line
    }

    // MARK: The file

    private static func open(_ path: String) throws -> (Int32, Int) {
        let descriptor = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else {
            throw DaemonError("cannot open the flow log \(path)", code: errno, hint: "make its folder, or set flowLog.path")
        }
        return (descriptor, Int(lseek(descriptor, 0, SEEK_END)))
    }

    private func write(_ lines: [String], _ state: inout State) {
        guard let path, state.file >= 0 else { return }
        if state.fileBytes > bytesMax {
            // Rotation: the old file keeps every line that was written to it.
            unsafe rename(path, path + ".1")
            if let opened = try? Self.open(path) {
                close(state.file)
                (state.file, state.fileBytes) = opened
            }
        }
        var text = Array(lines.joined(separator: "\n").utf8)
        text.append(UInt8(ascii: "\n"))
        var written = 0
        while written < text.count {
            let count = unsafe text.withUnsafeBytes { unsafe Glibc.write(state.file, $0.baseAddress! + written, $0.count - written) }
            if count < 0 {
                if errno == EINTR { continue }
                writeErrors.add(UInt64(lines.count), ordering: .relaxed)
                let now = BootClock.now()
                if now.nanoseconds(since: state.lastErrorLog) > 60_000_000_000 {
                    state.lastErrorLog = now
                    logger.error("flow log cannot be written, lines are lost", metadata: ["file": "\(path)", "errno": "\(errno)"])
                }
                return
            }
            written += count
        }
        state.fileBytes += written
        linesWritten.add(UInt64(lines.count), ordering: .relaxed)
    }
}
