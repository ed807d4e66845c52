import DNSMessages
import Glibc
import Testing

@Suite struct MemoryTests {
    /// Resident memory in bytes.
    static func residentSize() throws -> Int {
        let file = try unsafe #require(unsafe fopen("/proc/self/statm", "r"))
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        _ = unsafe fgets(&line, 256, file)
        let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
        return (Int(fields[1]) ?? 0) * Int(getpagesize())
    }

    /// In a process of its own: what other tests hold at the same time is none of its growth.
    @Test func `200,000 parses, good and bad, leave nothing behind`() async {
        await #expect(processExitsWith: .success) {
            // What libldns alone refuses must be freed as well: an HTTPS answer, options, signatures and TSIG twice are among these.
            let messages = GoodMessage.all.map(\.bytes) + MalformedResponseTests.rows.map(\.bytes)
            func rounds(_ count: Int) { for round in 0..<count { _ = responseFault(messages[round % messages.count]) } }
            rounds(20_000)
            let before = try Self.residentSize()
            rounds(200_000)
            let growth = try Self.residentSize() - before
            print("growth over 200,000 parses: \(growth) bytes")
            #expect(growth < 4 << 20)
        }
    }
}
