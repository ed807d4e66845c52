import DNSMessages
import PolicyModel

/// What clients are given of HTTPS and SVCB records, within `dns`.
extension ExeatConfiguration {
    mutating func readServiceBindings(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["hints", "ech", "http3"]), &problems) else { return }
        if let value = reader["hints"]?.choice(ServiceBindingPolicy.Hints.self, &problems) { dns.serviceBindings.hints = value }
        if let value = reader["ech"]?.choice(ServiceBindingPolicy.Treatment.self, &problems) { dns.serviceBindings.ech = value }
        if let value = reader["http3"]?.choice(ServiceBindingPolicy.Treatment.self, &problems) { dns.serviceBindings.http3 = value }
    }
}
