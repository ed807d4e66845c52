import PolicyModel
import Telemetry

/// The log of queries.
extension ExeatConfiguration {
    mutating func readDNSLog(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let fields = MappingReader.Fields(["path", "bytesMax", "aggregation", "flushSeconds", "entriesMax", "linesMax", "names"])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        if let value = reader["path"]?.string(&problems) {
            dnsLog.path = value
            if value == flowLog.path {
                reader["path"]?.error("is flowLog.path too", hint: "each log needs a file of its own", into: &problems)
            }
        }
        if let value = reader["bytesMax"]?.integer(in: 4_096...(1 << 40), &problems) { dnsLog.bytesMax = value }
        if let value = reader["aggregation"]?.choice(DNSLog.Aggregation.self, &problems) { dnsLog.aggregation = value }
        if let value = reader["flushSeconds"]?.integer(in: 1...3_600, &problems) { dnsLog.flushSeconds = value }
        if let value = reader["entriesMax"]?.integer(in: 64...65_536, &problems) { dnsLog.entriesMax = value }
        if let value = reader["linesMax"]?.integer(in: 0...10_000_000, &problems) { dnsLog.linesMax = value }
        if let value = reader["names"]?.choice(LoggedNames.Extent.self, &problems) { dnsLog.names = value }
    }
}
