import DomainNames
import NetworkTypes

/// Puts equal lookups of an interval together.
///
///     add, as often as lookups come -> takeLines, at the end of the interval, or earlier when it is full
///
/// Bounded: by entries, by what one entry shows, and, if wanted, by lines of an interval. Whatever gets no line of its own is counted, and the count
/// becomes a line.
public struct DNSLogTable: Sendable {
    /// What lookups share that become one line.
    public struct Key: Hashable, Sendable {
        public enum Client: Hashable, Sendable {
            /// The class is of the node's processes, else 0.
            case address(IPAddress, classNumber: UInt8)
            /// Endpoints of one namespace whose names differ in what was generated.
            case workload(namespace: String, aggregatedName: String)
        }

        public let client: Client
        /// `LoggedNames.identity`.
        public let qname: DomainName
        public let qtype: UInt16
        public let rcode: UInt16
        public let reason: String?
        public let rule: String?
        public let isSuspect: Bool
        /// Anything that keeps lookups apart that are to be lines of their own.
        public let single: UInt64

        public init(
            client: Client, qname: DomainName, qtype: UInt16, rcode: UInt16, reason: String?, rule: String?, isSuspect: Bool = false,
            single: UInt64 = 0
        ) {
            self.isSuspect = isSuspect
            self.client = client
            self.qname = qname
            self.qtype = qtype
            self.rcode = rcode
            self.reason = reason
            self.rule = rule
            self.single = single
        }
    }

    /// What may differ.
    public struct Sighting: Sendable {
        /// Tells clients of one workload apart.
        public var client: UInt64
        public var lookup: String
        public var latencyNanoseconds: UInt64?
        public var server: IPAddress?
        /// Tells answers apart: records are asked for once for each.
        public var answer: UInt64

        public init(client: UInt64, lookup: String, latencyNanoseconds: UInt64?, server: IPAddress?, answer: UInt64) {
            self.client = client
            self.lookup = lookup
            self.latencyNanoseconds = latencyNanoseconds
            self.server = server
            self.answer = answer
        }
    }

    /// A line and the lookups that it stands for.
    public struct Line: Sendable {
        public let text: String
        public let count: UInt64
        /// It is the one of all lookups without a line.
        public let isUnlogged: Bool
    }

    private struct Entry {
        var line: DNSLogLine
        var client: UInt64
        var answer: UInt64
        var latencySum: UInt64 = 0
        var servers: [IPAddress] = []
        var recordCount = 0
        var dataBytes = 0
    }

    /// Records, bytes of their data as text, and servers that one line shows.
    public static let recordsMax = 32
    public static let dataBytesMax = 8_192
    public static let serversMax = 8

    private let entriesMax: Int
    /// 0: as many as come.
    private let linesMax: Int
    private var places: [Key: Int] = [:]
    private var entries: [Entry] = []
    private var linesTaken = 0
    /// Lookups without a line of their own.
    public private(set) var unlogged: UInt64 = 0

    public init(entriesMax: Int, linesMax: Int) {
        self.entriesMax = max(1, entriesMax)
        self.linesMax = linesMax
    }

    public var count: Int { entries.count }

    /// The next lookup may want a place that is not there: `takeLines` first.
    public var isFull: Bool { entries.count >= entriesMax }

    /// Notes a lookup. `describe` gives what its line begins with, `client` and texts of the key; `records` its answer, and how many records are missing
    /// there.
    public mutating func add(
        _ key: Key, _ sighting: Sighting, describe: () -> DNSLogLine, records: () -> (sets: [DNSLogLine.RecordSet], missing: Int)
    ) {
        if let place = places[key] {
            note(sighting, at: place, describe, records)
            return
        }
        guard !isFull, linesMax == 0 || linesTaken + entries.count < linesMax else {
            unlogged += 1
            return
        }
        places[key] = entries.count
        entries.append(Entry(line: describe(), client: sighting.client, answer: sighting.answer &+ 1))
        note(sighting, at: entries.count - 1, describe, records)
    }

    private mutating func note(
        _ sighting: Sighting, at place: Int, _ describe: () -> DNSLogLine,
        _ records: () -> (sets: [DNSLogLine.RecordSet], missing: Int)
    ) {
        entries[place].line.count += 1
        if let index = entries[place].line.lookups.firstIndex(where: { $0.name == sighting.lookup }) {
            entries[place].line.lookups[index].count += 1
        } else {
            entries[place].line.lookups.append((sighting.lookup, 1))
        }
        if let latency = sighting.latencyNanoseconds {
            entries[place].line.latencyCount += 1
            entries[place].line.latencyMax = max(entries[place].line.latencyMax, latency)
            entries[place].latencySum &+= latency
        }
        if let server = sighting.server, entries[place].servers.count < Self.serversMax, !entries[place].servers.contains(server) {
            entries[place].servers.append(server)
        }
        if entries[place].client != sighting.client {
            entries[place].client = sighting.client
            // What all of them have.
            let labels = describe().client.labels
            entries[place].line.client.labels = entries[place].line.client.labels.filter { labels[$0.key] == $0.value }
        }
        guard entries[place].answer != sighting.answer else { return }
        entries[place].answer = sighting.answer
        merge(records(), at: place)
    }

    private mutating func merge(_ records: (sets: [DNSLogLine.RecordSet], missing: Int), at place: Int) {
        // Of several answers the most that any of them lacks: how many of those are the same is not known.
        var omitted = UInt64(records.missing)
        for set in records.sets {
            let index =
                entries[place].line.recordSets.firstIndex { $0.name == set.name && $0.type == set.type }
                ?? entries[place].line.recordSets.count
            for data in set.data {
                let isThere = index < entries[place].line.recordSets.count
                if isThere, entries[place].line.recordSets[index].data.contains(data) { continue }
                let bytes = entries[place].dataBytes + data.utf8.count
                guard entries[place].recordCount < Self.recordsMax, bytes <= Self.dataBytesMax else {
                    omitted += 1
                    continue
                }
                entries[place].recordCount += 1
                entries[place].dataBytes = bytes
                if isThere {
                    entries[place].line.recordSets[index].data.append(data)
                } else {
                    entries[place].line.recordSets.append(DNSLogLine.RecordSet(name: set.name, type: set.type, data: [data]))
                }
            }
        }
        entries[place].line.omittedRecords = max(entries[place].line.omittedRecords, omitted)
    }

    /// Counts lookups that were lost before they came here, or whose lines were.
    public mutating func addUnlogged(_ count: UInt64) { unlogged += count }

    /// The lines of all entries, which end with it, and one for what has none. Times are seconds since 1970; `server` describes an upstream.
    public mutating func takeLines(
        from startTime: Int64, to endTime: Int64, endsInterval: Bool, server describe: (IPAddress) -> DNSLogLine.Peer
    ) -> [Line] {
        var lines: [Line] = []
        lines.reserveCapacity(entries.count + 1)
        for entry in entries {
            var line = entry.line
            line.startTime = startTime
            line.endTime = endTime
            line.servers = entry.servers.map(describe)
            if line.latencyCount > 0 { line.latencyMean = entry.latencySum / line.latencyCount }
            lines.append(Line(text: line.json, count: line.count, isUnlogged: false))
        }
        linesTaken = endsInterval ? 0 : linesTaken + entries.count
        entries.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        if endsInterval, unlogged > 0 {
            lines.append(Line(text: DNSLogLine.unlogged(startTime, endTime, unlogged), count: unlogged, isUnlogged: true))
            unlogged = 0
        }
        return lines
    }
}
