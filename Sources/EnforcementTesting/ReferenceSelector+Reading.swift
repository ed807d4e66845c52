extension ReferenceSelector {
    /// Reads a selector's text by splitting it, for selectors that no generator made. Nil if it is not well formed.
    ///
    /// Slow and small: the text is cut into words first; then `||`, `&&`, `!` and operands follow in that order.
    public init?(reading text: String) {
        guard let words = Self.words(of: text) else { return nil }
        if words.isEmpty {
            self = .all
            return
        }
        var position = 0
        guard let tree = Self.alternatives(words, &position), position == words.count else { return nil }
        self = tree
    }

    private static func alternatives(_ words: [String], _ position: inout Int) -> ReferenceSelector? {
        var parts: [ReferenceSelector] = []
        repeat {
            if !parts.isEmpty { position += 1 }
            guard let part = conjunction(words, &position) else { return nil }
            parts.append(part)
        } while position < words.count && words[position] == "||"
        return parts.count == 1 ? parts[0] : .or(parts)
    }

    private static func conjunction(_ words: [String], _ position: inout Int) -> ReferenceSelector? {
        var parts: [ReferenceSelector] = []
        repeat {
            if !parts.isEmpty { position += 1 }
            guard let part = operand(words, &position) else { return nil }
            parts.append(part)
        } while position < words.count && words[position] == "&&"
        return parts.count == 1 ? parts[0] : .and(parts)
    }

    private static func operand(_ words: [String], _ position: inout Int) -> ReferenceSelector? {
        guard position < words.count else { return nil }
        let word = words[position]
        position += 1
        func take(_ wanted: String) -> Bool {
            guard position < words.count, words[position] == wanted else { return false }
            position += 1
            return true
        }
        func text() -> String? {
            guard position < words.count, words[position].hasPrefix("\"") else { return nil }
            position += 1
            return String(words[position - 1].dropFirst())
        }
        func texts() -> [String]? {
            guard take("{") else { return nil }
            var result: [String] = []
            while !take("}") {
                if take(",") { continue }
                guard let text = text() else { return nil }
                result.append(text)
            }
            return result
        }
        switch word {
        case "!": return operand(words, &position).map(Self.not)
        case "(":
            guard let inner = alternatives(words, &position), take(")") else { return nil }
            return inner
        case "all", "global":
            guard take("("), take(")") else { return nil }
            return word == "all" ? .all : .global
        case "has":
            guard take("("), position < words.count else { return nil }
            let label = words[position]
            position += 1
            return take(")") ? .has(label) : nil
        default: break
        }
        if take("==") { return text().map { .equal(word, $0) } }
        if take("!=") { return text().map { .notEqual(word, $0) } }
        if take("contains") { return text().map { .contains(word, $0) } }
        if take("startswith") || (take("starts") && take("with")) { return text().map { .startsWith(word, $0) } }
        if take("endswith") || (take("ends") && take("with")) { return text().map { .endsWith(word, $0) } }
        if take("in") { return texts().map { .isIn(word, $0) } }
        if take("notin") || (take("not") && take("in")) { return texts().map { .isNotIn(word, $0) } }
        return nil
    }

    /// Signs, words and quoted texts; a text keeps one quote before it, to tell it from a word.
    private static func words(of text: String) -> [String]? {
        var words: [String] = []
        var rest = Substring(text)
        while let first = rest.first {
            if first == " " || first == "\t" {
                rest.removeFirst()
            } else if let sign = ["==", "!=", "&&", "||"].first(where: { rest.hasPrefix($0) }) {
                words.append(sign)
                rest = rest.dropFirst(2)
            } else if "!(){},".contains(first) {
                words.append(String(first))
                rest.removeFirst()
            } else if first == "\"" || first == "'" {
                rest.removeFirst()
                guard let end = rest.firstIndex(of: first) else { return nil }
                words.append("\"" + rest[..<end])
                rest = rest[end...].dropFirst()
            } else {
                let word = rest.prefix { $0.isLetter || $0.isNumber || "_./-".contains($0) }
                guard !word.isEmpty else { return nil }
                words.append(String(word))
                rest = rest.dropFirst(word.count)
            }
        }
        return words
    }
}
