/// From a text to the elements of a pattern, dialect by dialect, with messages for the mistakes that people make.
enum DomainPatternSyntax {
    /// Characters in a matchName or matchPattern, of which Cilium takes no more (docs.cilium.io, CiliumNetworkPolicy).
    private static let ciliumCharactersMax = 255

    static func code(of text: String, _ dialect: PatternDialect) throws(DomainPatternError) -> [UInt8] {
        let text = try DomainPatternText(text)
        let elements: [PatternElement]
        switch dialect {
        case .cilium: elements = try matchPattern(text)
        case .ciliumName: elements = try matchName(text)
        case .antrea: elements = try antrea(text)
        case .calico, .calicoInline, .kubernetes, .ovn, .istio: elements = try wholeLabels(text, dialect)
        }
        return elements.reversed().flatMap(\.code)
    }

    // MARK: - One star as a whole label

    private static func wholeLabels(_ text: DomainPatternText, _ dialect: PatternDialect) throws(DomainPatternError) -> [PatternElement] {
        try refuseRoot(text)
        let wildcard: PatternElement = dialect == .ovn ? .oneLabel : .labels(least: 1, .anyBytes)
        var elements: [PatternElement] = []
        var stars = 0
        for (position, label) in text.labels.enumerated() {
            guard label.hasStar else {
                try checkHyphens(label)
                if dialect == .istio { try refuseUnderscore(label) }
                elements.append(.label(label.bytes[...]))
                continue
            }
            guard label.isStar else {
                throw DomainPatternError(
                    offset: label.offset, reason: "\"*\" must be a whole label", hint: "*.example.org, not *ple.example.org")
            }
            stars += 1
            guard stars == 1 else {
                throw DomainPatternError(
                    offset: label.offset, reason: "only one \"*\" may stand in a pattern",
                    hint: dialect == .ovn ? nil : "one \"*\" stands for one or more labels")
            }
            guard position < text.labels.count - 1 else {
                throw DomainPatternError(
                    offset: label.offset, reason: "\"*\" cannot be the last label", hint: "it would match names of every owner")
            }
            guard dialect == .calico || position == 0 else {
                throw DomainPatternError(
                    offset: label.offset, reason: "\"*\" must be the first label",
                    hint: dialect == .calicoInline ? "in Inline mode; other modes take it in the middle too" : nil)
            }
            elements.append(wildcard)
        }
        if dialect == .kubernetes, text.labels.count - stars < 2 {
            throw DomainPatternError(offset: 0, reason: "a name needs at least two labels, a wildcard not counted")
        }
        if dialect == .istio, let last = text.labels.last, last.bytes.allSatisfy({ (48...57).contains($0) }) {
            throw DomainPatternError(offset: last.offset, reason: "the top-level domain cannot be a number")
        }
        try checkLengths(text)
        return elements
    }

    private static func refuseRoot(_ text: DomainPatternText) throws(DomainPatternError) {
        if text.labels.isEmpty { throw DomainPatternError(offset: 0, reason: "the root names no host") }
    }

    private static func checkHyphens(_ label: DomainPatternText.Label) throws(DomainPatternError) {
        let hyphen = UInt8(ascii: "-")
        guard label.bytes.first != hyphen, label.bytes.last != hyphen else {
            throw DomainPatternError(offset: label.offset, reason: "a label cannot begin or end with \"-\"")
        }
    }

    private static func refuseUnderscore(_ label: DomainPatternText.Label) throws(DomainPatternError) {
        if let place = label.bytes.firstIndex(of: UInt8(ascii: "_")) {
            throw DomainPatternError(offset: label.offset + place, reason: "\"_\" cannot stand in a host of a ServiceEntry")
        }
    }

    /// A star counts as the one letter that it must stand for at least.
    private static func checkLengths(_ text: DomainPatternText) throws(DomainPatternError) {
        for label in text.labels where label.bytes.count > DomainName.labelBytesMax {
            throw DomainPatternError(
                offset: label.offset + DomainName.labelBytesMax, reason: DomainNameError.Reason.labelTooLong.rawValue)
        }
        guard text.labels.reduce(1, { $0 + $1.bytes.count + 1 }) <= DomainName.wireBytesMax else {
            throw DomainPatternError(offset: text.count - (text.endsWithDot ? 1 : 0), reason: DomainNameError.Reason.tooLong.rawValue)
        }
    }

    // MARK: - Cilium

    private static func matchName(_ text: DomainPatternText) throws(DomainPatternError) -> [PatternElement] {
        try refuseRoot(text)
        try checkCiliumLength(text)
        if let label = text.labels.first(where: \.hasStar) {
            let place = label.bytes.firstIndex(of: UInt8(ascii: "*")) ?? 0
            throw DomainPatternError(offset: label.offset + place, reason: "\"*\" cannot stand in a matchName", hint: "write matchPattern")
        }
        return possible(text.labels.map { .label($0.bytes[...]) }, text)
    }

    private static func matchPattern(_ text: DomainPatternText) throws(DomainPatternError) -> [PatternElement] {
        try checkCiliumLength(text)
        // Nothing but stars: every name, and the root too.
        if text.labels.count == 1, onlyStars(text.labels[0]) { return [.labels(least: 0, .hostCharacters)] }
        var elements: [PatternElement] = []
        for (position, label) in text.labels.enumerated() {
            if position == 0, label.bytes.count > 1, onlyStars(label) {
                elements.append(.labels(least: 1, .hostCharacters))
            } else if label.hasStar {
                elements.append(.glob(starsJoined(label.bytes)[...], .hostCharacters))
            } else {
                elements.append(.label(label.bytes[...]))
            }
        }
        return possible(elements, text)
    }

    private static func onlyStars(_ label: DomainPatternText.Label) -> Bool { label.bytes.allSatisfy { $0 == UInt8(ascii: "*") } }

    private static func starsJoined(_ bytes: [UInt8]) -> [UInt8] {
        let star = UInt8(ascii: "*")
        return bytes.indices.filter { bytes[$0] != star || $0 == 0 || bytes[$0 - 1] != star }.map { bytes[$0] }
    }

    private static func checkCiliumLength(_ text: DomainPatternText) throws(DomainPatternError) {
        guard text.count <= ciliumCharactersMax else {
            throw DomainPatternError(offset: ciliumCharactersMax, reason: "Cilium takes at most 255 characters")
        }
    }

    /// Cilium counts characters, not labels: what no name can be long enough for is a pattern all the same.
    private static func possible(_ elements: [PatternElement], _ text: DomainPatternText) -> [PatternElement] {
        var shortest = 1
        var isPossible = true
        for element in elements {
            let count: Int
            switch element {
            case .label(let bytes): count = bytes.count
            case .glob(let bytes, _): count = max(1, bytes.count { $0 != UInt8(ascii: "*") })
            default: count = 1
            }
            shortest += count + 1
            if count > DomainName.labelBytesMax { isPossible = false }
        }
        if isPossible, shortest <= DomainName.wireBytesMax { return elements }
        let bytes: [UInt8] = Array(text.labels.map(\.bytes).joined(separator: [UInt8(ascii: ".")]))
        return [.nothing(text: bytes[...])]
    }

    // MARK: - Antrea

    private static func antrea(_ text: DomainPatternText) throws(DomainPatternError) -> [PatternElement] {
        try refuseRoot(text)
        if text.labels.count == 1, text.labels[0].isStar { return [.labels(least: 0, .anyBytes)] }
        var elements: [PatternElement] = []
        for (position, label) in text.labels.enumerated() {
            let star = label.bytes.lastIndex(of: UInt8(ascii: "*"))
            guard star == nil || position == 0 && star == 0 else {
                throw DomainPatternError(
                    offset: label.offset + (star ?? 0), reason: "\"*\" is taken at the beginning only",
                    hint: "it stands for any characters, dots too")
            }
            if label.isStar {
                elements.append(.labels(least: 1, .anyBytes))
            } else if star != nil {
                elements += [.labels(least: 0, .anyBytes), .glob(label.bytes[...], .anyBytes)]
            } else {
                elements.append(.label(label.bytes[...]))
            }
        }
        try checkLengths(text)
        return elements
    }
}
