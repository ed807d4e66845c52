/// A value together with its field path, and the typed readings of it. Each reading gives nil and appends one error
/// if the value has the wrong type.
public struct ConfigurationField: Sendable {
    public let node: ConfigurationNode
    public let path: String

    public init(_ node: ConfigurationNode, path: String) {
        self.node = node
        self.path = path
    }

    public var location: SourceLocation { node.location }

    public func error(_ message: String, hint: String? = nil, into problems: inout DiagnosticList) {
        problems.error(at: location, field: path, message, hint: hint)
    }

    /// A text. An unquoted number or truth value is refused, as the Kubernetes API does.
    public func string(_ problems: inout DiagnosticList) -> String? {
        guard case .scalar(let text, let isQuoted) = node.kind else {
            error(
                "must be a text, not \(node.kindName)", hint: node.kind == .null ? "write \"\" for an empty text" : "write one text",
                into: &problems)
            return nil
        }
        if !isQuoted, PlainScalarType(of: text) != .text {
            error("must be a text, not \(node.kindName)", hint: "quote it: \"\(text)\"", into: &problems)
            return nil
        }
        return text
    }

    /// A text out of `choices`, which are case-sensitive.
    public func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ type: Choice.Type, _ problems: inout DiagnosticList
    ) -> Choice? {
        // A choice named "off" is one also where YAML 1.1 takes the word for a truth value.
        if case .scalar(let text, _) = node.kind, let found = Choice(rawValue: text) { return found }
        guard let text = string(&problems) else { return nil }
        let names = Choice.allCases.map(\.rawValue)
        error(
            "\"\(text)\" is not one of \(names.joined(separator: ", "))",
            hint: NameSuggestion.hint(for: text, among: names) ?? "write one of these",
            into: &problems)
        return nil
    }

    /// An unquoted decimal integer within `range`.
    public func integer(in range: ClosedRange<Int>, _ problems: inout DiagnosticList) -> Int? {
        guard let text = plainNumber(&problems, wanted: "an integer") else { return nil }
        guard let value = Int(text), range.contains(value) else {
            error(
                "must be an integer from \(range.lowerBound) to \(range.upperBound), not \(text)", hint: "write a number in that range",
                into: &problems)
            return nil
        }
        return value
    }

    /// An unquoted decimal number, finite.
    public func number(_ problems: inout DiagnosticList) -> Double? {
        guard let text = plainNumber(&problems, wanted: "a number") else { return nil }
        guard PlainScalarType.isDecimal(Array(text.utf8)), let value = Double(text), value.isFinite else {
            error("must be a finite decimal number, not \(text)", hint: "write 100 or 10.5", into: &problems)
            return nil
        }
        return value
    }

    private func plainNumber(_ problems: inout DiagnosticList, wanted: String) -> String? {
        guard case .scalar(let text, let isQuoted) = node.kind else {
            error("must be \(wanted), not \(node.kindName)", hint: "write one number", into: &problems)
            return nil
        }
        guard PlainScalarType(of: text) == .number else {
            error("must be \(wanted), not \"\(text)\"", hint: "write digits, without quotes", into: &problems)
            return nil
        }
        guard !isQuoted else {
            error("must be \(wanted), not a text", hint: "remove the quotes", into: &problems)
            return nil
        }
        guard !PlainScalarType.isOctal(text) else {
            error("\(text) begins with 0, which YAML takes for octal", hint: "write it without leading zeros", into: &problems)
            return nil
        }
        return text
    }

    /// Unquoted `true` or `false`.
    public func boolean(_ problems: inout DiagnosticList) -> Bool? {
        if case .scalar(let text, isQuoted: false) = node.kind {
            if text == "true" { return true }
            if text == "false" { return false }
        }
        error("must be true or false", hint: "write one of the two, without quotes", into: &problems)
        return nil
    }

    /// The elements of a list, each with its path `path[index]`.
    public func elements(_ problems: inout DiagnosticList) -> [ConfigurationField]? {
        guard case .sequence(let nodes) = node.kind else {
            error("must be a list, not \(node.kindName)", hint: "write [a, b], or a line with - for each", into: &problems)
            return nil
        }
        return nodes.enumerated().map { ConfigurationField($0.element, path: "\(path)[\($0.offset)]") }
    }

    /// The entries of a mapping whose keys are the user's own (labels, annotations), duplicates and empty values refused.
    public func entries(_ problems: inout DiagnosticList) -> [(key: String, keyLocation: SourceLocation, field: ConfigurationField)]? {
        guard case .mapping(let entries) = node.kind else {
            error("must be a mapping, not \(node.kindName)", hint: "write {field: value}, or a line for each field", into: &problems)
            return nil
        }
        var seen: [String: SourceLocation] = [:]
        var result: [(key: String, keyLocation: SourceLocation, field: ConfigurationField)] = []
        for entry in entries {
            let field = ConfigurationField(entry.value, path: Self.path(of: entry.key, in: path))
            if let first = seen[entry.key] {
                problems.error(
                    at: entry.keyLocation, field: field.path, "the key \"\(entry.key)\" is here twice",
                    hint: "first at line \(first.line)")
                continue
            }
            seen[entry.key] = entry.keyLocation
            result.append((entry.key, entry.keyLocation, field))
        }
        return result
    }

    /// `parent.key`, or `parent[key]` for a key that is not a plain word.
    static func path(of key: String, in parent: String) -> String {
        let isWord = key.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        let shown = key.utf8.count > 64 ? "\(key.prefix(64))..." : key
        if !isWord { return "\(parent)[\(shown)]" }
        return parent.isEmpty ? shown : "\(parent).\(shown)"
    }
}
