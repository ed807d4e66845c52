import CAllocationCounter
import DomainNames
import Testing

@Suite struct DomainTrieTests {
    @Test func `an empty trie matches nothing`() throws {
        let trie = DomainTrie.Builder().freeze()
        for text in [".", "org", "www.example.org"] { #expect(trie.numbers(matching: try DomainName(parsing: text)).isEmpty) }
    }

    @Test func `a number comes once, however many of its patterns match`() throws {
        var builder = DomainTrie.Builder()
        for text in ["a.b.example.org", "*.example.org", "*.b.example.org", "a.*.example.org", "a.*.org", "*.org", "*.org"] {
            builder.insert(try DomainPattern(parsing: text, dialect: .calico), number: 3)
            builder.insert(try DomainPattern(parsing: text, dialect: .calico), number: 4)
        }
        let trie = builder.freeze()
        #expect(trie.numbers(matching: try DomainName(parsing: "a.b.example.org")).sorted() == [3, 4])
    }

    @Test func `numbers are appended to what the array holds, and the largest number is one`() throws {
        var builder = DomainTrie.Builder()
        builder.insert(try DomainPattern(parsing: "*.example.org", dialect: .calico), number: .max)
        builder.insert(try DomainPattern(parsing: "www.example.org", dialect: .calico), number: 0)
        let trie = builder.freeze()
        var numbers: [UInt32] = [0, 9]
        trie.appendNumbers(matching: try DomainName(parsing: "www.example.org"), to: &numbers)
        #expect(numbers.prefix(2) == [0, 9])
        #expect(numbers.dropFirst(2).sorted() == [0, .max])
    }

    @Test func `long lists that several patterns share give each number once, and soon`() throws {
        var builder = DomainTrie.Builder()
        let lists: UInt32 = 20_000
        for number in 0..<lists {
            builder.insert(try DomainPattern(parsing: "*.example.org", dialect: .calico), number: number * 7 % lists)
            builder.insert(try DomainPattern(parsing: "*.org", dialect: .calico), number: number)
            if number % 3 != 0 { builder.insert(try DomainPattern(parsing: "www.example.org", dialect: .calico), number: number * 2) }
        }
        let trie = builder.freeze()
        var numbers: [UInt32] = [5]
        let name = try DomainName(parsing: "www.example.org")
        let time = ContinuousClock().measure { trie.appendNumbers(matching: name, to: &numbers) }
        let expected = Set(0..<lists).union((0..<lists).filter { $0 % 3 != 0 }.map { $0 * 2 })
        #expect(numbers[0] == 5)
        #expect(numbers.count == expected.count + 1 && Set(numbers.dropFirst()) == expected)
        // Comparing each with each takes seconds.
        #expect(time < .milliseconds(500))
    }

    @Test func `dialects share a trie and keep their meaning`() throws {
        var builder = DomainTrie.Builder()
        builder.insert(try DomainPattern(parsing: "*.example.org", dialect: .calico), number: 1)
        builder.insert(try DomainPattern(parsing: "*.example.org", dialect: .ovn), number: 2)
        builder.insert(try DomainPattern(parsing: "*.example.org", dialect: .kubernetes), number: 3)
        let trie = builder.freeze()
        #expect(trie.numbers(matching: try DomainName(parsing: "a.example.org")).sorted() == [1, 2, 3])
        #expect(trie.numbers(matching: try DomainName(parsing: "b.a.example.org")).sorted() == [1, 3])
        #expect(trie.numbers(matching: try DomainName(parsing: "example.org")).isEmpty)
        #expect(trie.table.patternCount == 2)
    }

    /// Few labels and short names, so that patterns often meet: in one node, in one name, in one number.
    @Test func `random tries say what their patterns say one by one`() throws {
        var generator = SeededGenerator(for: "trie")
        var matchCount = 0
        for round in 0..<400 {
            var builder = DomainTrie.Builder()
            var patterns: [(DomainPattern, UInt32)] = []
            for _ in 0..<Int.random(in: 0...80, using: &generator) {
                let number: UInt32 = .random(in: 0..<24, using: &generator)
                let pattern = try RandomPatterns.pattern(using: &generator)
                patterns.append((pattern, number))
                builder.insert(pattern, number: number)
            }
            let trie = builder.freeze()
            var names = try (0..<60).map { _ in try DomainName(parsing: RandomPatterns.name(using: &generator)) }
            names.append(try DomainName(parsing: Array(repeating: "a", count: 127).joined(separator: ".")))
            for name in names {
                let expected = Set(patterns.lazy.filter { $0.0.matches(name) }.map(\.1))
                let found = trie.numbers(matching: name)
                #expect(found.count == expected.count && Set(found) == expected, "round \(round), \(name)")
                matchCount += found.count
            }
        }
        #expect(matchCount > 1000)
    }

    /// A third each of exact names, first wildcards and middle wildcards, over a thousand zones. Fewer without optimization.
    @Test(.timeLimit(.minutes(2))) func `a million patterns build, and each is found by the names it matches and by no other`() throws {
        #if DEBUG
            let count: UInt32 = 30_000
        #else
            let count: UInt32 = 1_000_000
        #endif
        let clock = ContinuousClock()
        var builder = DomainTrie.Builder()
        let build = try clock.measure {
            for number in 0..<count {
                builder.insert(try DomainPattern(parsing: Self.text(number, at: "*"), dialect: .calico), number: number)
            }
        }
        let trie = builder.freeze()
        var numbers: [UInt32] = []
        numbers.reserveCapacity(16)
        var wrong = 0
        let lookup = try clock.measure {
            for number in 0..<count {
                numbers.removeAll(keepingCapacity: true)
                trie.appendNumbers(matching: try DomainName(parsing: Self.text(number, at: "x.y")), to: &numbers)
                if numbers != [number] { wrong += 1 }
                guard number % 7 == 0 else { continue }
                trie.appendNumbers(matching: try DomainName(parsing: "no." + Self.text(number, at: "x").dropFirst(2)), to: &numbers)
                if number % 3 != 1, numbers.count != 1 { wrong += 1 }
            }
        }
        #expect(wrong == 0)
        print("\(count) patterns: parsed and built in \(build), looked up in \(lookup)")
    }

    private static func text(_ number: UInt32, at wildcard: String) -> String {
        switch number % 3 {
        case 0: "h.n\(number).z\(number % 1000).example.org"
        case 1: "\(wildcard).n\(number).z\(number % 1000).example.net"
        default: "u.\(wildcard).n\(number).z\(number % 1000).test"
        }
    }

    @Test func `a lookup into a reserved array allocates nothing`() throws {
        var builder = DomainTrie.Builder()
        for number in UInt32(0)..<300 {
            builder.insert(try DomainPattern(parsing: "h\(number).example.org", dialect: .calico), number: number)
            builder.insert(try DomainPattern(parsing: "*.h\(number).example.org", dialect: .calico), number: number)
            builder.insert(try DomainPattern(parsing: "a.b.*.example.org", dialect: .calico), number: number % 20)
            builder.insert(try DomainPattern(parsing: "*.example.org", dialect: .ovn), number: number % 20)
            builder.insert(try DomainPattern(parsing: "*\(number)b*.**.h*.example.org", dialect: .cilium), number: number)
        }
        let trie = builder.freeze()
        let long = Array(repeating: "a", count: 125).joined(separator: ".") + ".example.org"
        let names = try [
            "h7.example.org", "a.b.h8.example.org", "a.b.c.example.org", "a1b7b.x.hh.example.org", "nothing.test", ".",
            String(long.suffix(253)),
        ].map { try DomainName(parsing: $0) }
        var numbers: [UInt32] = []
        numbers.reserveCapacity(400)
        var found = 0
        let before = exeat_allocations_of_this_thread()
        for _ in 0..<1000 {
            for name in names {
                numbers.removeAll(keepingCapacity: true)
                trie.appendNumbers(matching: name, to: &numbers)
                found += numbers.count
            }
        }
        let after = exeat_allocations_of_this_thread()
        // A promise of the optimized build; without optimization the compiler keeps temporaries on the heap.
        #if !DEBUG
            #expect(after == before)
        #endif
        #expect(after >= before)
        #expect(found > 1000)
    }

    @Test func `the counter of allocations counts`() {
        let before = exeat_allocations_of_this_thread()
        let bytes = [UInt8](repeating: 1, count: Int.random(in: 5000...6000))
        #expect(exeat_allocations_of_this_thread() > before)
        #expect(bytes.count >= 5000)
    }
}
