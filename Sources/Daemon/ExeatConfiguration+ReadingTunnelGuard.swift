import DNSInterceptor
import PolicyModel

/// The guard against tunnels, within `dns`.
extension ExeatConfiguration {
    mutating func readTunnelGuard(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let fields = MappingReader.Fields(["mode", "freshNamesPerMinute", "payloadBytesPerMinute", "exemptZones", "trackedMax"])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        if let value = reader["mode"]?.choice(TunnelLimits.Mode.self, &problems) { dns.tunnels.mode = value }
        if let value = reader["freshNamesPerMinute"]?.integer(in: 10...100_000, &problems) { dns.tunnels.freshNamesPerMinute = value }
        if let value = reader["payloadBytesPerMinute"]?.integer(in: 64...1_048_576, &problems) { dns.tunnels.payloadBytesPerMinute = value }
        if let values = reader["exemptZones"]?.elements(&problems) {
            dns.tunnels.exemptZones = values.compactMap { Self.name($0, &problems) }
        }
        if let value = reader["trackedMax"]?.integer(in: 64...65_536, &problems) { dns.tunnels.trackedMax = value }
    }
}
