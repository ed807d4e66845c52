import ArgumentParser
import DomainNames
import Foundation

struct TrieCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trie", abstract: "Time and memory of the pattern trie, from 10 to 1,000,000 patterns.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    private static let lookups = 20_000

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        var table = ResultTable()
        let sizes = options.quick ? [10, 1_000, 100_000] : [10, 1_000, 100_000, 1_000_000]
        for size in sizes { table.add(try row(size)) }
        try table.add(overlap())
        return table
    }

    /// A third each of exact names, first wildcards and wildcards within, over a thousand zones.
    private static func pattern(_ number: Int, at wildcard: String) -> String {
        switch number % 3 {
        case 0: "h.n\(number).z\(number % 1000).example.org"
        case 1: "\(wildcard).n\(number).z\(number % 1000).example.net"
        default: "u.\(wildcard).n\(number).z\(number % 1000).example.test"
        }
    }

    private static func row(_ size: Int) throws -> ResultTable.Row {
        let memoryBefore = residentBytes()
        let start = CPUTime.nowNanoseconds()
        var builder = DomainTrie.Builder()
        for number in 0..<size {
            builder.insert(try DomainPattern(parsing: pattern(number, at: "*"), dialect: .calico), number: UInt32(number))
        }
        let trie = builder.freeze()
        let build = Double(CPUTime.nowNanoseconds() - start) / 1e9
        let memory = residentBytes() - memoryBefore
        // What a resolver without wildcards would do: one hashed lookup of the whole name, in as many names.
        let names = try (0..<size).map { try DomainName(parsing: pattern($0, at: "x.y")) }
        let dictionary = Dictionary(uniqueKeysWithValues: zip(names, UInt32(0)...))
        let asked = (0..<lookups).map { _ in names[Int.random(in: 0..<size)] }

        var found = 0
        var numbers: [UInt32] = []
        numbers.reserveCapacity(64)
        func trieLookups() -> Double {
            let start = CPUTime.nowNanoseconds()
            for name in asked {
                numbers.removeAll(keepingCapacity: true)
                trie.appendNumbers(matching: name, to: &numbers)
                found += numbers.count
            }
            return Double(CPUTime.nowNanoseconds() - start) / Double(lookups)
        }
        func dictionaryLookups() -> Double {
            let start = CPUTime.nowNanoseconds()
            for name in asked where dictionary[name] != nil { found += 1 }
            return Double(CPUTime.nowNanoseconds() - start) / Double(lookups)
        }
        _ = trieLookups()
        _ = dictionaryLookups()
        var times: [Double] = []
        var anchors: [Double] = []
        var again: [Double] = []
        for _ in 0..<BenchOptions.pairs {
            anchors.append(dictionaryLookups())
            times.append(trieLookups())
            again.append(dictionaryLookups())
        }
        guard found == lookups * (BenchOptions.pairs * 3 + 2) else { throw BenchError("the trie found other names") }
        // Small tries fit into memory that was freed before.
        let perPattern = size >= 100_000 ? ", \(max(0, memory) / size) B a pattern" : ""
        return .init(
            what: "Trie, \(size) patterns: time a lookup, against a dictionary of as many exact names",
            measured: "\(times.median.rounded(0)) ns, built in \(build.rounded(2)) s\(perPattern)",
            anchor: "\(anchors.median.rounded(0)) ns",
            ratio: Interval(ratiosOf: times, to: anchors), anchorSpread: Interval(ratiosOf: again, to: anchors))
    }

    /// Two nodes that match the same name and share their lists: the numbers must be given once.
    private static func overlap() throws -> ResultTable.Row {
        let lists = 4_000
        var overlapping = DomainTrie.Builder()
        var single = DomainTrie.Builder()
        for number in UInt32(0)..<UInt32(lists) {
            overlapping.insert(try DomainPattern(parsing: "*.example.org", dialect: .calico), number: number)
            overlapping.insert(try DomainPattern(parsing: "www.example.org", dialect: .calico), number: number)
            single.insert(try DomainPattern(parsing: "www.example.org", dialect: .calico), number: number)
        }
        let tries = [overlapping.freeze(), single.freeze()]
        let name = try DomainName(parsing: "www.example.org")
        var numbers: [UInt32] = []
        numbers.reserveCapacity(lists * 2)
        var times: [[Double]] = [[], []]
        for _ in 0..<BenchOptions.pairs {
            for index in 0..<2 {
                let start = CPUTime.nowNanoseconds()
                for _ in 0..<4 {
                    numbers.removeAll(keepingCapacity: true)
                    tries[index].appendNumbers(matching: name, to: &numbers)
                }
                times[index].append(Double(CPUTime.nowNanoseconds() - start) / 4000)
                guard numbers.count == lists else { throw BenchError("the trie gave \(numbers.count) of \(lists) numbers") }
            }
        }
        return .init(
            what: "Trie, two patterns for one name in the same \(lists) lists, against one pattern",
            measured: "\(times[0].median.rounded(0)) µs", anchor: "\(times[1].median.rounded(0)) µs",
            ratio: Interval(ratiosOf: times[0], to: times[1]))
    }

    private static func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }
}
