import DomainNames

extension ResourceDecoder {
    /// One name or pattern in the grammar of the kind that it stands in; nil, with an error, if it is none. `isOpening`: whether it lets
    /// out to what it matches, so that a wide one deserves a warning.
    func decodeName(
        _ field: ConfigurationField, dialect: PatternDialect, isOpening: Bool = true, _ problems: inout DiagnosticList
    ) -> DomainPattern? {
        guard let text = field.string(&problems) else { return nil }
        do throws(DomainPatternError) {
            let pattern = try DomainPattern(parsing: text, dialect: dialect)
            if isOpening { warnOfOpenPattern(pattern, field, &problems) }
            return pattern
        } catch {
            field.error(
                "\"\(text)\" is no domain name or pattern: \(error.reason), at character \(error.offset + 1)",
                hint: error.hint ?? Self.nameExample(dialect),
                into: &problems)
            return nil
        }
    }

    private static func nameExample(_ dialect: PatternDialect) -> String {
        switch dialect {
        case .cilium: "letters, digits, \"-\", \"_\", \".\" and \"*\": *.example.org"
        case .ciliumName: "like api.example.org"
        default: "like api.example.org or *.example.org"
        }
    }
}
