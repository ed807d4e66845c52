import DomainNames

extension ResourceDecoder {
    /// An element of `toFQDNs` or `rules.dns`. Nil also for a name so long that no name of the DNS is as long, with a warning.
    func decodeCiliumName(
        _ field: ConfigurationField, isOpening: Bool, _ problems: inout DiagnosticList
    ) -> DomainPattern? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.ciliumName), &problems),
            let (kind, value) = onlyField(of: reader, among: ResourceFields.ciliumName, field, &problems),
            let pattern = decodeName(value, dialect: kind == "matchName" ? .ciliumName : .cilium, isOpening: isOpening, &problems)
        else { return nil }
        guard !pattern.isUnmatchable else {
            problems.warning(at: value.location, field: value.path, "no name is that long: it matches nothing", hint: "remove it")
            return nil
        }
        return pattern
    }
}
