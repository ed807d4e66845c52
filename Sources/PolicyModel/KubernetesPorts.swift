import NetworkTypes

extension ResourceDecoder {
    enum KubernetesProtocol: String, CaseIterable {
        case tcp = "TCP"
        case udp = "UDP"
        case sctp = "SCTP"

        var transport: TransportProtocol {
            switch self {
            case .tcp: .tcp
            case .udp: .udp
            case .sctp: .sctp
            }
        }
    }

    /// `ports` of a rule: TCP by default; an entry without port means all ports of its protocol, no entry all traffic.
    func decodeKubernetesPorts(_ field: ConfigurationField?, _ problems: inout DiagnosticList) -> KubernetesPortGroups {
        var groups = KubernetesPortGroups()
        for element in field?.elements(&problems) ?? [] {
            guard let reader = MappingReader(element, fields: MappingReader.Fields(ResourceFields.kubernetesPort), &problems) else {
                continue
            }
            let `protocol` = reader["protocol"].map { $0.choice(KubernetesProtocol.self, &problems) } ?? .tcp
            guard let portField = reader["port"] else {
                reader["endPort"]?.error("needs port, the first of the range", hint: "add \"port\"", into: &problems)
                if let `protocol` { groups.add(`protocol`.transport, nil) }
                continue
            }
            let port = decodeKubernetesPort(portField, end: reader["endPort"], &problems)
            if let `protocol`, let port { groups.add(`protocol`.transport, port) }
        }
        return groups
    }

    private func decodeKubernetesPort(
        _ field: ConfigurationField, end endField: ConfigurationField?, _ problems: inout DiagnosticList
    ) -> RulePort? {
        if case .scalar(let text, let isQuoted) = field.node.kind, isQuoted || PlainScalarType(of: text) == .text {
            guard ResourceNameRule.isServiceName(text) else {
                let isNumber = !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
                field.error(
                    "\"\(text)\" is no valid name of a port",
                    hint: isNumber
                        ? "remove the quotes" : "at most 15 lower-case letters, digits and -, at least one letter (RFC 6335)",
                    into: &problems)
                return nil
            }
            endField?.error("goes with a port number, not with a name", hint: "remove the field", into: &problems)
            return .named(text)
        }
        guard let lower = decodePortNumber(field, &problems) else { return nil }
        return decodePortRange(from: lower, end: endField, &problems)
    }

    /// `end`, if present, is the last port of the range that begins at `lower`.
    func decodePortRange(from lower: UInt16, end: ConfigurationField?, _ problems: inout DiagnosticList) -> RulePort? {
        guard let end else { return .range(PortRange(lower)) }
        guard let upper = decodePortNumber(end, &problems) else { return nil }
        guard let range = PortRange(lower, upper) else {
            end.error("the range ends at \(upper), before its beginning \(lower)", hint: "swap the two", into: &problems)
            return nil
        }
        return .range(range)
    }
}

extension ResourceNameRule {
    /// The name of a port of a pod (RFC 6335 §5.1): 1...15 lower-case letters, digits and single `-` between them, at least one letter.
    static func isServiceName(_ text: String) -> Bool {
        isLabel(text) && text.utf8.count <= 15 && !text.contains("--")
            && text.utf8.contains { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
    }
}
