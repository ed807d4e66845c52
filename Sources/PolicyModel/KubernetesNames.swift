import DomainNames

extension ResourceDecoder {
    /// One name or pattern in the grammar of the kind that it stands in; nil, with an error, if it is none.
    func decodeName(
        _ field: ConfigurationField, dialect: PatternDialect, _ problems: inout DiagnosticList
    ) -> DomainPattern? {
        guard let text = field.string(&problems) else { return nil }
        do throws(DomainPatternError) {
            return try DomainPattern(parsing: text, dialect: dialect)
        } catch {
            field.error(
                "\"\(text)\" is no domain name or pattern: \(error.reason), at character \(error.offset + 1)", hint: error.hint,
                into: &problems)
            return nil
        }
    }
}
