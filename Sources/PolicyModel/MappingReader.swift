/// Reads a mapping with a known set of fields. Making one reports every unknown, unsupported, duplicate and empty field,
/// so that no field can be passed over in silence.
public struct MappingReader: Sendable {
    /// The fields that one mapping may have.
    public struct Fields: Sendable {
        /// Read by Exeat.
        public let known: [String]
        /// Valid upstream, but not supported yet: an error that says so.
        public let unsupported: [String]
        /// Filled in by an API server and without meaning for policy: may hold anything, nothing too.
        public let ignored: [String]
        /// Wrong here, with the place where they belong: name -> hint.
        public let misplaced: [String: String]

        /// What there is instead, if that fits into a message.
        var listing: String? {
            known.isEmpty || known.count > 20 ? "there is no such field" : "known fields: \(known.joined(separator: ", "))"
        }

        public init(_ known: [String], unsupported: [String] = [], ignored: [String] = [], misplaced: [String: String] = [:]) {
            self.known = known
            self.unsupported = unsupported
            self.ignored = ignored
            self.misplaced = misplaced
        }
    }

    public let location: SourceLocation
    public let path: String
    private let values: [String: ConfigurationField]
    private let emptyFields: Set<String>

    /// Nil, with an error, if the value is no mapping.
    public init?(_ field: ConfigurationField, fields: Fields, _ problems: inout DiagnosticList) {
        guard let entries = field.entries(&problems) else { return nil }
        location = field.location
        path = field.path
        var values: [String: ConfigurationField] = [:]
        var emptyFields: Set<String> = []
        for (key, keyLocation, value) in entries {
            if fields.ignored.contains(key) { continue }
            if fields.known.contains(key) {
                if case .null = value.node.kind {
                    emptyFields.insert(key)
                    problems.error(
                        at: keyLocation, field: value.path, "has no value",
                        hint: "an empty field would count as absent: remove it or fill it")
                } else {
                    values[key] = value
                }
            } else if fields.unsupported.contains(key) {
                problems.error(at: keyLocation, field: value.path, "not supported yet", hint: "remove it")
            } else {
                let hint =
                    fields.misplaced[key] ?? NameSuggestion.hint(for: key, among: fields.known + fields.unsupported) ?? fields.listing
                problems.error(at: keyLocation, field: value.path, "unknown field \"\(key)\"", hint: hint)
            }
        }
        self.values = values
        self.emptyFields = emptyFields
    }

    /// What is there, in the order of names.
    public var fields: [(name: String, field: ConfigurationField)] { values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }

    public subscript(name: String) -> ConfigurationField? { values[name] }

    /// The field, or an error at the mapping if it is absent.
    public func required(_ name: String, _ problems: inout DiagnosticList) -> ConfigurationField? {
        if let value = values[name] { return value }
        if emptyFields.contains(name) { return nil }
        problems.error(at: location, field: ConfigurationField.path(of: name, in: path), "is required", hint: "add it")
        return nil
    }
}
