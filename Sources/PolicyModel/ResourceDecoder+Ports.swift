import NetworkTypes

extension ResourceDecoder {
    /// `ports` or `notPorts`: numbers, ranges and names. An empty list is warned of.
    func decodePorts(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [RulePort] {
        guard let elements = field.elements(&problems) else { return [] }
        warnOfEmptyList(field, &problems)
        return elements.compactMap { decodePort($0, &problems) }
    }

    /// An unquoted integer, or a text `80`, `8000:9000` or the name of a port.
    func decodePort(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> RulePort? {
        guard case .scalar(let text, let isQuoted) = field.node.kind else {
            field.error("must be a port or a range of ports, not \(field.node.kindName)", into: &problems)
            return nil
        }
        let ends = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        let isNumeric = ends.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
        guard isNumeric, ends.count <= 2 else {
            if isQuoted || PlainScalarType(of: text) == .text, ResourceNameRule.isPortName(text) { return .named(text) }
            field.error("\"\(text)\" is no port", hint: "write 443, \"8000:9000\" or the name of a port", into: &problems)
            return nil
        }
        guard isQuoted || ends.count == 2 || !PlainScalarType.isOctal(text) else {
            field.error("\(text) begins with 0, which YAML takes for octal", hint: "write it without leading zeros", into: &problems)
            return nil
        }
        guard let lower = Int(ends[0]), let upper = Int(ends[ends.count - 1]), (1...65535).contains(lower), (1...65535).contains(upper)
        else {
            field.error("\"\(text)\" is out of range", hint: "ports go from 1 to 65535", into: &problems)
            return nil
        }
        guard let range = PortRange(UInt16(lower), UInt16(upper)) else {
            field.error("the range \"\(text)\" begins after its end", hint: "write \"\(upper):\(lower)\"", into: &problems)
            return nil
        }
        return .range(range)
    }

    /// One port number, 1...65535 unless told.
    func decodePortNumber(
        _ field: ConfigurationField, in range: ClosedRange<Int> = 1...65535, _ problems: inout DiagnosticList
    ) -> UInt16? {
        field.integer(in: range, &problems).map { UInt16(truncatingIfNeeded: $0) }
    }

    /// TCP, UDP or SCTP, in any case.
    func decodePortProtocol(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> TransportProtocol? {
        guard let found = decodeProtocol(field, &problems) else { return nil }
        guard [TransportProtocol.tcp, .udp, .sctp].contains(found) else {
            field.error("the protocol \(found) has no ports", hint: "TCP, UDP and SCTP have", into: &problems)
            return nil
        }
        return found
    }

    /// The named ports of an endpoint.
    func decodeNamedPorts(_ field: ConfigurationField, fields: [String], _ problems: inout DiagnosticList) -> [NamedPort] {
        var ports: [NamedPort] = []
        var seen: Set<NamedPort> = []
        for element in field.elements(&problems) ?? [] {
            guard let reader = MappingReader(element, fields: MappingReader.Fields(fields), &problems) else { continue }
            if let hostPort = reader["hostPort"] { _ = decodePortNumber(hostPort, in: 0...65535, &problems) }
            if let hostIP = reader["hostIP"], let text = hostIP.string(&problems), !text.isEmpty, IPAddress(parsing: text) == nil {
                hostIP.error("\"\(text)\" is no address", hint: "write 192.0.2.1 or 2001:db8::1", into: &problems)
            }
            let protocolField = reader.required("protocol", &problems)
            let portField = reader.required("port", &problems)
            // A port of a workload that only is forwarded from the host needs no name, and nothing refers to it then.
            let nameField = reader["hostPort"] == nil ? reader.required("name", &problems) : reader["name"]
            guard let `protocol` = protocolField.flatMap({ decodePortProtocol($0, &problems) }),
                let port = portField.flatMap({ decodePortNumber($0, &problems) }), let nameField, let name = nameField.string(&problems)
            else { continue }
            if name.isEmpty, reader["hostPort"] != nil { continue }
            guard ResourceNameRule.isPortName(name) else {
                nameField.error(
                    "\"\(name)\" is no valid name of a port", hint: "letters, digits, -, _ and ., at least one letter", into: &problems)
                continue
            }
            let named = NamedPort(name: name, protocol: `protocol`, port: port)
            if seen.insert(named).inserted { ports.append(named) }
        }
        return ports
    }
}
