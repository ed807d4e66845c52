import Datastores
import Foundation
import PolicyModel
import Testing

struct ReaderMutationTests {
    /// xorshift64*: the same seed gives the same run.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 0x2545_F491_4F6C_DD1D
        }
    }

    /// Whatever the bytes: no crash, every finding has a place in the file, and a set that is usable says no less
    /// the second time.
    @Test func `mutated files are read or refused, for two seconds`() throws {
        let seed = ProcessInfo.processInfo.environment["EXEAT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1 ... .max)
        print("reader mutation seed: EXEAT_SEED=\(seed)")
        var generator = Generator(state: seed)
        let corpus = try Self.corpus()
        let fragments = [
            "*a", "&a ", "[", "]", "{", "}", "\"", "'", "- ", "? ", ": ", "|\n", ">\n", "!!str ", "<<: ", "\u{0}", "\u{FEFF}", "~",
            "---\n", "1e9", "*.", "\t", "#",
        ].map { Array($0.utf8) }
        let end = ContinuousClock.now + .seconds(2)
        var rounds = 0
        while ContinuousClock.now < end {
            rounds += 1
            var bytes = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
            for _ in 0..<Int.random(in: 1...6, using: &generator) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.insert(contentsOf: fragments[Int.random(in: 0..<fragments.count, using: &generator)], at: place)
                case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...40, using: &generator)))
                case 3:
                    let copy = Array(bytes[place..<min(bytes.count, place + 60)])
                    bytes.insert(contentsOf: copy, at: Int.random(in: 0...bytes.count, using: &generator))
                default: bytes.removeSubrange(place...)
                }
            }
            var problems = DiagnosticList()
            let documents = ConfigurationDocument.nodes(yaml: bytes, file: "m.yaml", &problems)
            let resources = ResourceSet(decoding: documents, &problems)
            for diagnostic in problems.diagnostics {
                let location = try #require(diagnostic.location, "seed \(seed)")
                #expect(location.file == "m.yaml" && (0...bytes.count + 1).contains(location.line), "seed \(seed): \(diagnostic)")
            }
            if !problems.diagnostics.containsError {
                var again = DiagnosticList()
                #expect(ResourceSet(decoding: documents, &again) == resources, "seed \(seed)")
            }
        }
        #expect(rounds > 100)
    }

    private static func corpus() throws -> [[UInt8]] {
        let tests = URL(filePath: #filePath).deletingLastPathComponent()
        let root = tests.deletingLastPathComponent().deletingLastPathComponent()
        let folders = [tests.appending(path: "Broken"), root.appending(path: "config/policies")]
        return try folders.flatMap { folder in
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().filter { $0.hasSuffix(".yaml") }.compactMap {
                FileManager.default.contents(atPath: folder.appending(path: $0).path).map(Array.init)
            }
        }
    }
}
