import DomainNames
import Testing

/// What people who write policies may throw at the parsers: nothing traps, nothing takes long, what is accepted keeps its meaning.
@Suite struct HostileTextTests {
    private static let alphabet: [String] = [
        "a", "b", "Z", "0", "9", "-", "_", ".", ".", ".", "*", "*", "**", ":", "/", "//", "https://", "http://", "[", "]", "@", "?", "#",
        "%", "\\", "\\065", " ", "\t", "\u{0}", "\u{7f}", "ü", "ß", "例", "😀", "\u{301}", "\u{200d}", "\u{3002}", "\u{ff0a}", "\u{ad}",
        "xn--", "xn--a-", "443", "192.0.2.1", "2001:db8::", "/24", "example", "org", "\u{202e}", "\u{10ffff}",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ]

    @Test func `any text is a pattern or an error with its place, in every dialect`() throws {
        var generator = SeededGenerator(for: "hostile texts")
        var accepted = 0
        for _ in 0..<60_000 {
            let text = (0..<generator.below(14)).map { _ in Self.alphabet.randomElement(using: &generator) ?? "" }.joined()
            let count = text.unicodeScalars.count
            for dialect in PatternDialect.allCases {
                do throws(DomainPatternError) {
                    let (pattern, ports) = try DomainDestination.parse(text, dialect: dialect)
                    accepted += 1
                    #expect(ports == nil || text.contains("://"))
                    try Self.checkMeaning(pattern)
                } catch {
                    #expect((0...count).contains(error.offset), "\(text.debugDescription) \(error)")
                    #expect(!error.reason.isEmpty)
                }
            }
            do throws(DomainNameError) {
                let name = try DomainName(parsing: text)
                #expect((try? DomainName(parsing: name.description)) == name)
            } catch {
                #expect((0...count).contains(error.offset), "\(text.debugDescription) \(error)")
            }
        }
        #expect(accepted > 1000)
    }

    /// It goes into a table and out, and matches there what it matches alone.
    private static func checkMeaning(_ pattern: DomainPattern) throws(DomainPatternError) {
        var table = DomainPatternTable()
        let id = table.insert(pattern, number: 1)
        var names = [".", "a.b.example.org", "example.org", "a"].compactMap { try? DomainName(parsing: $0) }
        let filled = pattern.description.split(separator: " ")[0].replacing("*", with: "a")
        if let name = try? DomainName(parsing: filled), !pattern.isUnmatchable {
            names.append(name)
            #expect(pattern.matches(name), "\(pattern) \(name)")
        }
        for name in names {
            var ids: [UInt32] = []
            table.appendPatterns(matching: name, to: &ids)
            #expect(ids == (pattern.matches(name) ? [id] : []), "\(pattern) \(name)")
        }
        _ = pattern.openSuffix
        let removed = table.remove(pattern, number: 1)
        #expect(removed && table.patternCount == 0)
    }

    @Test func `bytes of any kind do not trap`() {
        var generator = SeededGenerator(for: "hostile bytes")
        for _ in 0..<20_000 {
            let bytes = (0..<generator.below(80)).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let text = String(decoding: bytes, as: UTF8.self)
            for dialect in PatternDialect.allCases { _ = try? DomainDestination.parse(text, dialect: dialect) }
            _ = try? DomainName(parsing: text)
            _ = try? DomainName(wire: bytes.span)
        }
    }

    @Test(arguments: ["a", "*", ".", "ü", "a.", "*.", "\u{301}", "\\", "1", ":", "/", "xn--", "https://", "\u{3002}", "ü.", "例*"])
    func `a text of a million characters is refused soon`(_ unit: String) {
        let text = String(repeating: unit, count: 1_000_000 / unit.unicodeScalars.count)
        let time = ContinuousClock().measure {
            for dialect in PatternDialect.allCases where dialect != .cilium || !text.allSatisfy({ $0 == "*" }) {
                #expect(throws: DomainPatternError.self) { try DomainDestination.parse(text, dialect: dialect) }
            }
            #expect(throws: (any Error).self) { try DomainName(parsing: unit == "*" || unit == "1" ? text + "." + text : text) }
        }
        #expect(time < .seconds(10))
    }
}
