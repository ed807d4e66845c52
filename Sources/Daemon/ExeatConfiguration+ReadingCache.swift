import PolicyModel

/// The cache of the resolver, within `dns`.
extension ExeatConfiguration {
    mutating func readCache(_ reader: MappingReader, _ problems: inout DiagnosticList) {
        if let value = reader["negativeSecondsMax"]?.integer(in: 0...86_400, &problems) { dns.negativeSecondsMax = UInt32(value) }
        if let value = reader["nxdomainCut"]?.boolean(&problems) { dns.cutsAtNameErrors = value }
        if let value = reader["failureSeconds"]?.integer(in: 1...5, &problems) { dns.failureSeconds = UInt32(value) }
        if let value = reader["serveStale"] { readStale(value, &problems) }
        if let value = reader["prefetch"] { readPrefetch(value, &problems) }
    }

    private mutating func readStale(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let fields = MappingReader.Fields(["enabled", "staleSecondsMax", "staleAnswerTTL", "clientTimeoutMilliseconds"])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        if let value = reader["enabled"]?.boolean(&problems) { dns.stale.isEnabled = value }
        if let value = reader["staleSecondsMax"]?.integer(in: 1...259_200, &problems) { dns.stale.staleSecondsMax = UInt32(value) }
        if let value = reader["staleAnswerTTL"]?.integer(in: 1...30, &problems) { dns.stale.answerSeconds = UInt32(value) }
        if let value = reader["clientTimeoutMilliseconds"]?.integer(in: 0...5_000, &problems) {
            dns.stale.clientTimeoutMilliseconds = value
        }
    }

    private mutating func readPrefetch(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["enabled", "hitsMin"]), &problems) else { return }
        if let value = reader["enabled"]?.boolean(&problems) { dns.prefetch.isEnabled = value }
        if let value = reader["hitsMin"]?.integer(in: 1...254, &problems) { dns.prefetch.hitsMin = value }
    }
}
