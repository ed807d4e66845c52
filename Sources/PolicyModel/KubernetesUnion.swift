extension ResourceDecoder {
    /// The one field that is set in a mapping that may have one only; an error if none or several are.
    func onlyField(
        of reader: MappingReader, among names: [String], _ field: ConfigurationField, _ problems: inout DiagnosticList
    ) -> (name: String, field: ConfigurationField)? {
        let present = reader.fields
        if present.count == 1 { return present[0] }
        // What is there and not read has its own error.
        if present.isEmpty, case .mapping(let entries) = field.node.kind, !entries.isEmpty { return nil }
        field.error(
            "must have exactly one of \(names.joined(separator: ", "))",
            hint: present.isEmpty ? "add one" : "write each as an element of its own where there is a list", into: &problems)
        return nil
    }
}
