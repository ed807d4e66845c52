import DNSInterceptor
import DomainNames
import PolicyModel

/// The names that the resolver answers for by itself, within `dns`.
extension ExeatConfiguration {
    mutating func readLocalNames(_ reader: MappingReader, _ problems: inout DiagnosticList) {
        if let value = reader["localZones"] { readLocalZones(value, &problems) }
        if let values = reader["records"]?.elements(&problems) {
            // Aliases behind the names that they lead to, whatever their order.
            let isAlias = { (value: ConfigurationField) in if case .mapping = value.node.kind { true } else { false } }
            for value in values where !isAlias(value) { readRecord(value, &problems) }
            let aliases = values.filter(isAlias).compactMap { readAlias($0, &problems) }
            for (name, field) in aliases where dns.records.targets(of: name) == nil {
                field.error(
                    "\"\(name)\" leads to no name with addresses in dns.records",
                    hint: "up to \(HostTable.aliasesPerNameMax) aliases in a row, and at their end a line such as "
                        + "\"192.0.2.7 db.example.test\"; names of upstreams and of dns.hosts.files cannot be meant",
                    into: &problems)
            }
        }
        if let value = reader["hosts"] { readHosts(value, &problems) }
        if let values = reader["searchSuffixes"]?.elements(&problems) {
            dns.search.suffixes = values.compactMap { Self.name($0, &problems) }
        }
        if let value = reader["searchAnswersLocally"]?.boolean(&problems) { dns.search.answersLocally = value }
        if let value = reader["searchNegativeSecondsMin"]?.integer(in: 0...900, &problems) { dns.search.negativeSecondsMin = UInt32(value) }
    }

    private mutating func readLocalZones(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let fields = MappingReader.Fields(["enabled", "privateReverse", "forward", "empty"])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        if let value = reader["enabled"]?.boolean(&problems) { dns.localZones.isEnabled = value }
        if let value = reader["privateReverse"]?.choice(LocalZoneChoice.PrivateReverse.self, &problems) {
            dns.localZones.privateReverse = value
        }
        if let values = reader["forward"]?.elements(&problems) {
            dns.localZones.forward = values.compactMap { Self.name($0, &problems) }
        }
        if let values = reader["empty"]?.elements(&problems) { dns.localZones.empty = values.compactMap { Self.name($0, &problems) } }
    }

    private mutating func readRecord(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let text = field.string(&problems) else { return }
        do throws(HostTable.Problem) {
            try dns.records.add(line: text)
        } catch {
            field.error(
                error.reason, hint: "an address and its names, such as \"192.0.2.7 db.example.test\"; an alias is {name: ..., cname: ...}",
                into: &problems)
        }
    }

    /// The alias, and where its target stands.
    private mutating func readAlias(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> (DomainName, ConfigurationField)? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["name", "cname"]), &problems) else { return nil }
        guard let nameField = reader.required("name", &problems), let targetField = reader.required("cname", &problems),
            let name = Self.name(nameField, &problems), let target = Self.name(targetField, &problems)
        else { return nil }
        do throws(HostTable.Problem) {
            try dns.records.add(alias: name, of: target)
        } catch {
            nameField.error(error.reason, into: &problems)
            return nil
        }
        return (name, targetField)
    }

    private mutating func readHosts(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["files", "ttlSeconds"]), &problems) else { return }
        if let values = reader["files"]?.elements(&problems) { dns.hostFiles = values.compactMap { $0.string(&problems) } }
        if let value = reader["ttlSeconds"]?.integer(in: 1...86_400, &problems) { dns.hostSeconds = UInt32(value) }
    }

    static func name(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> DomainName? {
        guard let text = field.string(&problems) else { return nil }
        do throws(DomainNameError) {
            return try DomainName(parsing: text)
        } catch {
            field.error("\(error)", into: &problems)
            return nil
        }
    }
}
