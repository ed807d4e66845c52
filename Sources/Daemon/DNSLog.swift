import DNSInterceptor
import DNSMessages
import DomainNames
import Enforcement
import Glibc
import Logging
import NetworkTypes
import PolicyEngine
import Synchronization
import Telemetry

/// Turns what the DNS workers noted of their replies into lines of a file. One thread of its own; when it cannot keep up, records are dropped at the rings,
/// and their number becomes a line.
final class DNSLog: Sendable {
    /// Replies that wait to be read: about 10 MB.
    private static let recordsMax = 16_384

    /// One for each worker.
    let rings: [Ring<DNSLogRecord>]
    private let published: Published<CompiledPolicy>
    private let configuration: ExeatConfiguration.DNSLog
    private let names: LoggedNames
    private let file: LogSink
    private let stopping = Atomic<Bool>(false)
    private let isOver = Atomic<Bool>(false)
    private let unlogged = Atomic<UInt64>(0)

    /// Nil where no log is wanted.
    init?(
        _ configuration: ExeatConfiguration.DNSLog, workers: Int, _ published: Published<CompiledPolicy>, logger: Logger
    ) throws {
        guard let path = configuration.path else { return nil }
        file = try LogSink("DNS log", field: "dnsLog.path", path: path, bytesMax: configuration.bytesMax, logger: logger)
        rings = (0..<workers).map { _ in Ring(capacity: Self.recordsMax / workers, filler: .filler) }
        self.published = published
        self.configuration = configuration
        names = LoggedNames(configuration.names)
    }

    var linesWritten: UInt64 { file.linesWritten }
    var writeErrors: UInt64 { file.linesLost }
    var droppedRecords: UInt64 { rings.reduce(0) { $0 + $1.droppedCount } }
    /// Replies that lines of type UNLOGGED stand for.
    var unloggedReplies: UInt64 { unlogged.load(ordering: .relaxed) }

    func start() { DaemonThread.start("exeat-dnslog") { self.run() } }

    /// What has come by now is written; `hasEnded` tells when.
    func stop() { stopping.store(true, ordering: .releasing) }

    var hasEnded: Bool { isOver.load(ordering: .acquiring) }

    private func run() {
        var table = DNSLogTable(entriesMax: configuration.entriesMax, linesMax: configuration.linesMax)
        var policy = Published.Reader(published)
        var began = BootClock.now()
        var dropped: UInt64 = 0

        func flush(endsInterval: Bool, _ compiled: CompiledPolicy) {
            let now = BootClock.now()
            if endsInterval {
                let newlyDropped = droppedRecords
                table.addUnlogged(newlyDropped - dropped)
                dropped = newlyDropped
            }
            let lines = table.takeLines(
                from: BootClock.unixSeconds(began), to: BootClock.unixSeconds(now), endsInterval: endsInterval
            ) { Self.peer(at: $0, classNumber: 0, compiled) }
            let written = file.write(lines.map(\.text))
            for line in lines[..<written] where line.isUnlogged { unlogged.add(line.count, ordering: .relaxed) }
            // Said in the log itself, as soon as that can be written again.
            table.addUnlogged(lines[written...].reduce(0) { $0 + $1.count })
            if endsInterval { began = now }
        }

        while true {
            let mustStop = stopping.load(ordering: .acquiring)
            policy.refresh()
            var taken = 0
            for ring in rings {
                var takenHere = 0
                while mustStop || takenHere < 4_096, let record = ring.popFirst() {
                    takenHere += 1
                    if table.isFull { flush(endsInterval: false, policy.value) }
                    add(record, policy.value, to: &table)
                }
                taken += takenHere
            }
            let isIntervalOver = BootClock.now().nanoseconds(since: began) >= UInt64(configuration.flushSeconds) * 1_000_000_000
            // Single replies do not wait to be put together with others.
            if isIntervalOver || mustStop || (configuration.aggregation == .none && table.count > 0) {
                flush(endsInterval: isIntervalOver || mustStop, policy.value)
            }
            if mustStop { return isOver.store(true, ordering: .releasing) }
            if taken == 0 { usleep(5_000) }
        }
    }

    private func add(_ record: DNSLogRecord, _ policy: CompiledPolicy, to table: inout DNSLogTable) {
        record.withReply { reply in
            guard let text = ReplyText(reply) else { return table.addUnlogged(1) }
            let position =
                record.classNumber == 0 ? policy.endpointIndex(of: record.source) : policy.endpointIndex(ofClass: record.classNumber)
            let endpoint = position.map { policy.endpoints[$0] }
            let isGrouped = configuration.aggregation == .workload && endpoint != nil
            var client = DNSLogTable.Key.Client.address(record.source, classNumber: record.classNumber)
            if isGrouped, let endpoint {
                client = .workload(namespace: endpoint.namespace, aggregatedName: WorkloadName.aggregated(endpoint.name))
            }
            let reason = record.cause?.reason
            let rcode = record.cause == .refusedVersion ? ResponseCode.badVersion : record.responseCode ?? text.rcode
            table.add(
                DNSLogTable.Key(
                    client: client, qname: names.identity(text.qname), qtype: text.qtype.rawValue, rcode: rcode.rawValue, reason: reason,
                    rule: record.rule, isSuspect: record.isSuspect, single: configuration.aggregation == .none ? record.time.nanoseconds : 0
                ),
                DNSLogTable.Sighting(
                    client: UInt64(endpoint?.id.rawValue ?? 0), lookup: record.lookup.rawValue,
                    latencyNanoseconds: record.latencyNanoseconds,
                    server: record.server, answer: record.answeredAt.nanoseconds)
            ) {
                var line = DNSLogLine()
                line.client = Self.peer(at: record.source, classNumber: record.classNumber, policy)
                if isGrouped {
                    line.client.address = nil
                    line.client.name = "-"
                }
                line.qname = names.text(text.qname)
                line.qtype = text.qtype.description
                line.rcode = rcode.registryName
                line.verdict = record.cause?.isRefusal == true ? "denied" : "allowed"
                line.reason = reason
                line.rule = record.rule
                line.isSuspect = record.isSuspect
                return line
            } records: {
                let (records, missing) = text.records(in: reply)
                var sets: [DNSLogLine.RecordSet] = []
                var omitted = missing
                for one in records {
                    guard names.showsAllRecords || one.type == .a || one.type == .aaaa else {
                        omitted += 1
                        continue
                    }
                    let owner = names.text(one.owner)
                    let type = one.type.description
                    if let index = sets.firstIndex(where: { $0.name == owner && $0.type == type }) {
                        sets[index].data.append(one.data)
                    } else {
                        sets.append(DNSLogLine.RecordSet(name: owner, type: type, data: [one.data]))
                    }
                }
                return (sets, omitted)
            }
        }
    }

    /// Who has an address, as the log describes it.
    private static func peer(at address: IPAddress, classNumber: UInt8, _ policy: CompiledPolicy) -> DNSLogLine.Peer {
        var peer = DNSLogLine.Peer()
        peer.address = address.description
        let position = classNumber == 0 ? policy.endpointIndex(of: address) : policy.endpointIndex(ofClass: classNumber)
        guard let position else {
            peer.aggregatedName = RebindingGuard.isInside(address) ? "pvt" : "pub"
            return peer
        }
        let endpoint = policy.endpoints[position]
        peer.name = endpoint.name
        peer.aggregatedName = WorkloadName.aggregated(endpoint.name)
        if !endpoint.namespace.isEmpty { peer.namespace = endpoint.namespace }
        peer.labels = endpoint.labels
        return peer
    }
}
