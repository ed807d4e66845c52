import DomainNames

extension ResourceDecoder {
    /// Of a `matchName` or `matchPattern` (cilium.io, API reference of FQDNSelector).
    private static let ciliumNameLengthMax = 255

    /// An element of `toFQDNs` or `rules.dns`. Nil also for a name so long that no name of the DNS is as long, with a warning.
    func decodeCiliumName(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> DomainPattern? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(ResourceFields.ciliumName), &problems),
            let (kind, value) = onlyField(of: reader, among: ResourceFields.ciliumName, field, &problems),
            let text = value.string(&problems)
        else { return nil }
        guard text.utf8.count <= Self.ciliumNameLengthMax else {
            value.error("is longer than \(Self.ciliumNameLengthMax) characters", into: &problems)
            return nil
        }
        let isPattern = text.utf8.contains(UInt8(ascii: "*"))
        if kind == "matchName", isPattern {
            value.error("\"*\" cannot stand in matchName", hint: "use matchPattern", into: &problems)
            return nil
        }
        if !isPattern, Self.isTooLongForDNS(text) {
            problems.warning(at: value.location, field: value.path, "no name is that long: it matches nothing", hint: "remove it")
            return nil
        }
        return decodeName(value, dialect: .cilium, &problems)
    }

    /// Whether `text` is a name but for its length, 255 bytes on the wire (RFC 1035 §3.1): each label with a length byte, and the root.
    private static func isTooLongForDNS(_ text: String) -> Bool {
        let labels = text.split(separator: ".")
        return labels.reduce(1) { $0 + $1.utf8.count + 1 } > 255 && labels.allSatisfy { $0.utf8.count <= 63 }
            && text.utf8.allSatisfy { byte in
                ResourceNameRule.isLabelName(String(UnicodeScalar(byte))) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                    || byte == UInt8(ascii: ".")
            }
    }
}
