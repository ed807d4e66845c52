import DomainNames

extension ResourceDecoder {
    /// Names, and names in URL form, as a list under `domains` or `allowedEgressDomains` holds them.
    struct Domains {
        var patterns: [DomainPattern] = []
        var urls: [DomainURL] = []
    }

    /// An empty list is refused: beside no other criterion it would match every destination.
    func decodeDomains(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Domains {
        guard let elements = field.elements(&problems) else { return Domains() }
        if elements.isEmpty {
            field.error("an empty list names no domain", hint: "remove the field, or list what may be reached", into: &problems)
        }
        var domains = Domains()
        for element in elements {
            guard let text = element.string(&problems) else { continue }
            do throws(DomainPatternError) {
                let (pattern, limit) = try DomainDestination.parse(text, dialect: .calico)
                if let limit {
                    domains.urls.append(DomainURL(pattern: pattern, port: limit.port))
                } else {
                    domains.patterns.append(pattern)
                }
                warnOfOpenPattern(pattern, element, &problems)
            } catch {
                element.error(
                    "\"\(text)\" is no domain pattern: \(error.reason), at character \(error.offset + 1)",
                    hint: error.hint ?? "like api.example.org, *.example.org or https://api.example.org/*",
                    into: &problems)
            }
        }
        return domains
    }

    /// A wildcard right below a public suffix lets out to whoever registers a name there.
    func warnOfOpenPattern(_ pattern: DomainPattern, _ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let suffix = pattern.openSuffix else { return }
        switch suffix.section {
        case .root:
            problems.warning(at: field.location, field: field.path, "matches names of every owner", hint: "name those that are meant")
        case .registry, .privateOwner:
            problems.warning(
                at: field.location, field: field.path, "matches names of every owner: anybody may register one below \(suffix.name)",
                hint: "name those that are meant")
        }
    }
}
