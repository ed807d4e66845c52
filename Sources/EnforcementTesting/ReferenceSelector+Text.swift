extension ReferenceSelector {
    /// The selector in Calico's language, in one of the many ways to write it.
    public func text(_ random: inout SeededGenerator) -> String {
        switch self {
        case .all: return random.pick(["all()", "all( )"])
        case .global: return "global()"
        case .has(let label): return random.chance(80) ? "has(\(label))" : "has( \(label) )"
        case .equal(let label, let text): return operation(label, "==", text, &random)
        case .notEqual(let label, let text): return operation(label, "!=", text, &random)
        case .contains(let label, let text): return word(label, ["contains"], text, &random)
        case .startsWith(let label, let text): return word(label, ["starts with", "startswith", "starts  with"], text, &random)
        case .endsWith(let label, let text): return word(label, ["ends with", "endswith"], text, &random)
        case .isIn(let label, let texts): return "\(label) in \(set(texts, &random))"
        case .isNotIn(let label, let texts): return "\(label) \(random.pick(["not in", "notin"])) \(set(texts, &random))"
        case .not(let inner):
            var text = inner.text(&random)
            if inner.isCompound || random.chance(20) { text = "(\(text))" }
            return random.chance(80) ? "!\(text)" : "! \(text)"
        case .and(let parts):
            var texts: [String] = []
            for part in parts { texts.append(part.operand(isInsideAnd: true, &random)) }
            return texts.joined(separator: random.pick([" && ", "&&", " &&  "]))
        case .or(let parts):
            var texts: [String] = []
            for part in parts { texts.append(part.operand(isInsideAnd: false, &random)) }
            return texts.joined(separator: random.pick([" || ", "||"]))
        }
    }

    private var isCompound: Bool {
        switch self {
        case .and, .or: true
        default: false
        }
    }

    /// `&&` binds tighter than `||`: an "and" inside an "or" needs no parentheses, an "or" inside an "and" does.
    private func operand(isInsideAnd: Bool, _ random: inout SeededGenerator) -> String {
        let text = text(&random)
        let isLooser = if case .or = self { isInsideAnd } else { false }
        return isLooser || random.chance(20) ? "(\(text))" : text
    }

    private func operation(_ label: String, _ sign: String, _ text: String, _ random: inout SeededGenerator) -> String {
        let space = random.chance(70) ? " " : ""
        return "\(label)\(space)\(sign)\(space)\(quoted(text, &random))"
    }

    private func word(_ label: String, _ words: [String], _ text: String, _ random: inout SeededGenerator) -> String {
        "\(label) \(random.pick(words)) \(quoted(text, &random))"
    }

    private func quoted(_ text: String, _ random: inout SeededGenerator) -> String {
        if text.contains("'") { return "\"\(text)\"" }
        if text.contains("\"") { return "'\(text)'" }
        return random.chance(70) ? "'\(text)'" : "\"\(text)\""
    }

    private func set(_ texts: [String], _ random: inout SeededGenerator) -> String {
        var quotedTexts: [String] = []
        for text in texts { quotedTexts.append(quoted(text, &random)) }
        // Sets may come in any order, with doubles.
        if let first = quotedTexts.first, random.chance(20) { quotedTexts.append(first) }
        quotedTexts.shuffle(using: &random)
        return "{" + quotedTexts.joined(separator: random.pick([", ", ",", " , "])) + "}"
    }
}
