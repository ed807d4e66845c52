import DomainNames
import PolicyEngine
import Testing

struct PatternNumberTests {
    private static func text(_ domains: String) -> String {
        """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: p}
        spec: {selector: app == "web", types: [Egress], egress: [{action: Allow, destination: {domains: [\(domains)]}}]}
        """
    }

    private static func numbers(_ policy: CompiledPolicy) -> [String: PatternNumber] {
        Dictionary(uniqueKeysWithValues: policy.patterns(numberedFrom: 0).map { ($1.description, $0) })
    }

    @Test func `equal patterns keep their number, and no number is used again for another pattern`() throws {
        var compiler = PolicyCompiler()
        var seen: [PatternNumber: String] = [:]
        var last: [String: PatternNumber] = [:]
        var next: PatternNumber = 0
        for list in [
            "a.example.org, b.example.org", "b.example.org, A.example.org", "b.example.org, c.example.org", "d.example.org",
            "a.example.org, b.example.org", "b.example.org, e.example.org",
        ] {
            let policy = try Scene(Self.text(list), &compiler).policy
            let numbers = Self.numbers(policy)
            #expect(Set(numbers.keys) == Set(list.lowercased().split(separator: ", ").map(String.init)))
            for (text, number) in numbers {
                #expect(number != anyName && number < policy.nextPattern)
                #expect(seen[number] ?? text == text)
                seen[number] = text
                if let before = last[text] { #expect(before == number) } else { #expect(number >= next) }
                #expect(policy.containsPattern(number) && policy.pattern(number)?.description == text)
            }
            for (text, number) in last where numbers[text] == nil { #expect(!policy.containsPattern(number)) }
            // What is new since the version before.
            let added = policy.patterns(numberedFrom: next).map { $0.1.description }
            #expect(Set(added) == Set(numbers.keys).subtracting(last.keys))
            last = numbers
            next = policy.nextPattern
        }
    }

    @Test func `rules with equal patterns share a number, and a name leads to every pattern that matches it`() throws {
        let other = """
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: q}
            spec:
              selector: app in {"web", "db"}
              types: [Egress]
              egress:
                - {action: Allow, protocol: UDP, destination: {domains: [a.example.org]}}
                - {action: Allow, protocol: TCP, destination: {domains: ["*.example.org"]}}
            """
        let policy = try Scene(Self.text("a.example.org") + "\n" + other).policy
        let numbers = Self.numbers(policy)
        #expect(numbers.count == 2)
        func found(_ name: String) throws -> Set<PatternNumber> {
            var result: [PatternNumber] = []
            policy.appendPatterns(matching: try DomainName(parsing: name), to: &result)
            #expect(Set(result).count == result.count)
            return Set(result)
        }
        #expect(try found("a.example.org") == Set(numbers.values))
        #expect(try found("b.example.org") == Set([numbers["*.example.org"]].compactMap { $0 }))
        #expect(try found("example.org") == [])
    }
}
