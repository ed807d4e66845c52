/// What may stand in a pattern, dialect by dialect, with messages for the mistakes that people make.
enum DomainPatternSyntax {
    /// What is wrong in any dialect.
    static func check(_ text: String) throws(DomainPatternError) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty else { throw DomainPatternError(offset: 0, reason: "an empty text is no name") }
        for (offset, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "/"):
                throw DomainPatternError(
                    offset: offset, reason: "\"/\" cannot stand in a name", hint: "prefixes go under nets, paths cannot be matched")
            case UInt8(ascii: ":") where bytes[offset...].starts(with: "://".utf8):
                throw DomainPatternError(offset: 0, reason: "a URL is no name", hint: "write the host alone, and its port under ports")
            case UInt8(ascii: ":"):
                throw DomainPatternError(
                    offset: offset, reason: "\":\" cannot stand in a name", hint: "ports go under ports, addresses under nets")
            case 0x80...:
                throw DomainPatternError(offset: offset, reason: "a letter outside ASCII", hint: "write the A-label (xn--...)")
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "*"):
                continue
            case ...0x20, 0x7f:
                throw DomainPatternError(offset: offset, reason: "white space or a control character")
            default:
                throw DomainPatternError(offset: offset, reason: "\"\(String(UnicodeScalar(byte)))\" cannot stand in a name")
            }
        }
        if bytes == [UInt8(ascii: ".")] { throw DomainPatternError(offset: 0, reason: "the root names no host") }
        if bytes.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") }) {
            throw DomainPatternError(offset: 0, reason: "an address is no name", hint: "addresses go under nets")
        }
    }

    static func check(labels: [String], dialect: PatternDialect) throws(DomainPatternError) {
        var offset = 0
        var stars = 0
        for (position, label) in labels.enumerated() {
            defer { offset += label.utf8.count + 1 }
            guard !label.isEmpty else {
                throw DomainPatternError(offset: offset, reason: "a label is empty", hint: "two dots in a row, or a dot at the start")
            }
            if label.contains("*") {
                guard label == "*" else {
                    throw DomainPatternError(
                        offset: offset, reason: "\"*\" must be a whole label", hint: "*.example.org, not *ple.example.org")
                }
                stars += 1
                guard stars == 1 else {
                    throw DomainPatternError(
                        offset: offset, reason: "only one \"*\" may stand in a pattern",
                        hint: dialect == .ovn ? nil : "one \"*\" stands for one or more labels")
                }
                guard position < labels.count - 1 else {
                    throw DomainPatternError(
                        offset: offset, reason: "\"*\" cannot be the last label", hint: "it would match names of every owner")
                }
                guard dialect == .calico || position == 0 else {
                    throw DomainPatternError(offset: offset, reason: "\"*\" must be the first label")
                }
            } else if label.hasPrefix("-") || label.hasSuffix("-") {
                throw DomainPatternError(offset: offset, reason: "a label cannot begin or end with \"-\"")
            }
        }
        switch dialect {
        case .calico, .ovn: break
        case .kubernetes:
            guard labels.count - stars >= 2 else {
                throw DomainPatternError(offset: 0, reason: "a name needs at least two labels, a wildcard not counted")
            }
        case .cilium:
            throw DomainPatternError(
                offset: 0, reason: "Cilium's matchPattern is not supported yet", hint: "use a projectcalico.org/v3 policy")
        }
    }
}
