import NetworkTypes

extension ResourceDecoder {
    /// `icmp` or `notICMP`. Without a type it restricts nothing and gives nil, with a warning.
    func decodeICMP(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> ICMPMatch? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.icmp), &problems) else { return nil }
        let type = reader["type"]?.integer(in: 0...254, &problems)
        let code = reader["code"]?.integer(in: 0...255, &problems)
        if reader["type"] == nil {
            if let codeField = reader["code"] {
                codeField.error("a code needs a type", hint: "add \"type\"", into: &problems)
            } else {
                problems.warning(
                    at: field.location, field: field.path, "names no type: it restricts nothing", hint: "remove the field")
            }
        }
        return type.map { ICMPMatch(type: UInt8(truncatingIfNeeded: $0), code: code.map { UInt8(truncatingIfNeeded: $0) }) }
    }

    /// The protocol says whose types are meant, those of ICMP or of ICMPv6.
    func checkICMP(_ reader: MappingReader, _ rule: PolicyRule, _ problems: inout DiagnosticList) {
        if reader["protocol"] != nil, rule.protocol == nil { return }
        guard rule.protocol != .icmp, rule.protocol != .icmpv6 else { return }
        for name in ["icmp", "notICMP"] {
            reader[name]?.error("needs the protocol ICMP or ICMPv6", hint: "add \"protocol: ICMP\" to the rule", into: &problems)
        }
    }

    /// `http` may stand in an Allow rule for ingress, as in Calico; nobody looks at it here.
    func checkHTTP(
        _ field: ConfigurationField, _ direction: PolicyType, _ rule: PolicyRule, isActionKnown: Bool, _ problems: inout DiagnosticList
    ) {
        if direction == .egress {
            field.error(
                "HTTP requests cannot be matched in a rule for egress",
                hint: "a verdict is given on the first packet, before there is a request; name the host under domains", into: &problems)
            return
        }
        if isActionKnown, rule.action != .allow { field.error("may stand only in an Allow rule", hint: "as in Calico", into: &problems) }
        if let given = rule.protocol, given != .tcp {
            field.error("goes with the protocol TCP or none, not \(given)", hint: "write TCP", into: &problems)
        }
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.http), &problems) else { return }
        var methods: Set<String> = []
        for element in reader["methods"]?.elements(&problems) ?? [] {
            guard let method = element.string(&problems) else { continue }
            if !methods.insert(method).inserted { element.error("\(method) is here twice", hint: "remove one", into: &problems) }
        }
        for element in reader["paths"]?.elements(&problems) ?? [] { checkHTTPPath(element, &problems) }
        problems.warning(at: field.location, field: field.path, "is checked, not looked at: Exeat sees no HTTP requests")
    }

    private func checkHTTPPath(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.httpPath), &problems) else { return }
        guard (reader["exact"] == nil) != (reader["prefix"] == nil) else {
            field.error("must have either \"exact\" or \"prefix\"", hint: "one of the two", into: &problems)
            return
        }
        for name in ResourceFields.httpPath {
            guard let pathField = reader[name], let path = pathField.string(&problems) else { continue }
            if path.utf8.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
                pathField.error("\"\(path)\" has a query or a fragment", hint: "write the path alone", into: &problems)
            }
        }
    }
}
