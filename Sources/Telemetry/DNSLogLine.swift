/// One line of the DNS log: equal lookups of one client, or of clients that are alike, with one outcome. Field names are those of Calico's DNS log.
public struct DNSLogLine: Sendable {
    /// A client of the resolver, or a server.
    public struct Peer: Sendable, Hashable {
        public var address: String?
        /// `-`: it is no endpoint of this node, or stands for several.
        public var name = "-"
        /// `name-*` of pods with generated names; of what is no endpoint `pvt` or `pub`.
        public var aggregatedName = "-"
        public var namespace = "-"
        public var labels: [String: String] = [:]

        public init() {}
    }

    /// Data of one owner and type.
    public struct RecordSet: Sendable, Hashable {
        public var name: String
        public var type: String
        public var data: [String]

        public init(name: String, type: String, data: [String]) {
            self.name = name
            self.type = type
            self.data = data
        }
    }

    /// Seconds since 1970.
    public var startTime: Int64 = 0
    public var endTime: Int64 = 0
    public var count: UInt64 = 0
    public var client = Peer()
    public var qname = ""
    public var qtype = ""
    public var rcode = ""
    public var recordSets: [RecordSet] = []
    /// Records that were answered and are not shown.
    public var omittedRecords: UInt64 = 0
    public var servers: [Peer] = []
    /// Of lookups that had to wait for an upstream; nanoseconds.
    public var latencyCount: UInt64 = 0
    public var latencyMean: UInt64 = 0
    public var latencyMax: UInt64 = 0
    /// `allowed` or `denied`.
    public var verdict = ""
    public var reason: String?
    /// `tier|policy|egress[N]|action`.
    public var rule: String?
    /// The guard against tunnels would have refused it, if it were to.
    public var isSuspect = false
    /// Lookups by where their answer came from.
    public var lookups: [(name: String, count: UInt64)] = []

    public init() {}

    public var json: String {
        var line = Self.head("LOG", startTime, endTime, count)
        if let address = client.address { line.add("client_ip", address) } else { line.addNull("client_ip") }
        line.add("client_name", client.name)
        line.add("client_name_aggr", client.aggregatedName)
        line.add("client_namespace", client.namespace)
        line.add("client_labels", Self.keywords(client.labels))
        line.add("qname", qname)
        line.add("qtype", qtype)
        line.add("qclass", "IN")
        line.add("rcode", rcode)
        line.add(
            "rrsets",
            recordSets.map { set in
                var object = JSONLine()
                object.add("name", set.name)
                object.add("type", set.type)
                object.add("class", "IN")
                object.add("rdata", set.data)
                return object
            })
        if omittedRecords > 0 { line.add("rrsets_omitted", omittedRecords) }
        line.add(
            "servers",
            servers.map { server in
                var object = JSONLine()
                object.add("ip", server.address ?? "")
                object.add("name", server.name)
                object.add("name_aggr", server.aggregatedName)
                object.add("namespace", server.namespace)
                object.add("labels", Self.keywords(server.labels))
                return object
            })
        line.add("latency_count", latencyCount)
        line.add("latency_mean", latencyMean)
        line.add("latency_max", latencyMax)
        line.add("verdict", verdict)
        if let reason { line.add("reason", reason) }
        if let rule { line.add("rule", rule) }
        if isSuspect { line.add("suspect", "tunnel") }
        var states = JSONLine()
        for state in lookups { states.add(state.name, state.count) }
        line.add("cache", states)
        return line.finished
    }

    /// What could not be logged.
    static func unlogged(_ startTime: Int64, _ endTime: Int64, _ count: UInt64) -> String {
        head("UNLOGGED", startTime, endTime, count).finished
    }

    private static func head(_ type: String, _ startTime: Int64, _ endTime: Int64, _ count: UInt64) -> JSONLine {
        var line = JSONLine()
        line.add("start_time", startTime)
        line.add("end_time", endTime)
        line.add("type", type)
        line.add("count", count)
        return line
    }

    private static func keywords(_ labels: [String: String]) -> [String] {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    }
}
