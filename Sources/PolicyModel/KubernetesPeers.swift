import NetworkTypes

extension ResourceDecoder {
    /// The peers of a rule, each with its place; an absent or empty list means every peer.
    func decodeKubernetesPeers(
        _ field: ConfigurationField?, _ problems: inout DiagnosticList
    ) -> [(entity: EntityRule, location: SourceLocation?)] {
        guard let field else { return [(.any, nil)] }
        guard let elements = field.elements(&problems) else { return [] }
        if elements.isEmpty { return [(.any, nil)] }
        return elements.compactMap { element in
            decodeKubernetesPeer(element, &problems).map { ($0, element.location) }
        }
    }

    private func decodeKubernetesPeer(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> EntityRule? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.kubernetesPeer), &problems) else { return nil }
        if let block = reader["ipBlock"] {
            for name in ["podSelector", "namespaceSelector"] {
                reader[name]?.error("cannot stand beside ipBlock", hint: "write two peers", into: &problems)
            }
            return decodeBlock(block, &problems)
        }
        guard reader["podSelector"] != nil || reader["namespaceSelector"] != nil else {
            field.error(
                "an empty peer says nothing", hint: "write podSelector, namespaceSelector or ipBlock; \"podSelector: {}\" is every pod",
                into: &problems)
            return nil
        }
        var pods: [Selector.Expression]? = []
        var namespaces: Selector?
        if let podField = reader["podSelector"] { pods = decodeLabelSelector(podField, &problems) }
        if let namespaceField = reader["namespaceSelector"] {
            guard let parts = decodeLabelSelector(namespaceField, &problems) else { return nil }
            namespaces = Selector.all(of: parts)
        }
        guard let pods else { return nil }
        return EntityRule(selector: .kubernetesPods(pods), namespaceSelector: namespaces)
    }

    private func decodeBlock(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> EntityRule? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.kubernetesBlock), &problems),
            let prefix = reader.required("cidr", &problems).flatMap({ decodeCIDR($0, &problems) })
        else { return nil }
        var excepted: [IPPrefix] = []
        for element in reader["except"]?.elements(&problems) ?? [] {
            guard let inner = decodeCIDR(element, &problems) else { continue }
            guard prefix.contains(inner), inner.length > prefix.length else {
                element.error("\(inner) is no part of \(prefix)", hint: "an exception is a smaller prefix inside cidr", into: &problems)
                continue
            }
            excepted.append(inner)
        }
        return EntityRule(nets: [prefix], notNets: excepted)
    }

    /// A prefix with its length written out, as the Kubernetes API asks for.
    func decodeCIDR(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> IPPrefix? {
        guard let prefix = decodePrefix(field, &problems) else { return nil }
        if case .scalar(let text, _) = field.node.kind, !text.utf8.contains(UInt8(ascii: "/")) {
            field.error("\"\(text)\" has no prefix length", hint: "write \(prefix)", into: &problems)
            return nil
        }
        return prefix
    }
}
