import CAllocationCounter
import PacketHeaders
import Testing

struct PacketMutationTests {
    /// A million packets, half random and half mutated: about a second. Fewer without optimization.
    @Test func `no bytes make the parser trap or read beyond them`() {
        var random = SeededGenerator(for: "packet headers")
        let seeds = HeaderTableTests.good.map(\.packet) + HeaderTableTests.bad.map(\.packet)
        #if DEBUG
            let packetCount = 100_000
        #else
            let packetCount = 1_000_000
        #endif
        var parsed = 0
        var accepted = 0
        var outcomes = Set<PacketError>()
        var packet = [UInt8](repeating: 0, count: 320)
        while parsed < packetCount {
            parsed += 1
            let count: Int
            let choice = random.next()
            if choice & 1 == 0 {
                // Random bytes behind a first byte that leads somewhere.
                count = Int(choice >> 32) % 320
                for index in stride(from: 0, to: count, by: 8) {
                    let word = random.next()
                    for byte in 0..<min(8, count - index) { packet[index + byte] = UInt8(truncatingIfNeeded: word >> (8 * UInt64(byte))) }
                }
                if count > 0, choice & 6 != 0 { packet[0] = choice & 2 != 0 ? 0x40 | packet[0] & 0x0f : 0x60 | packet[0] & 0x0f }
            } else {
                let seed = seeds[Int(choice >> 32) % seeds.count]
                for index in 0..<seed.count { packet[index] = seed[index] }
                let cut = random.next()
                count = cut & 3 == 0 ? Int(cut >> 8) % (seed.count + 1) : seed.count
                for _ in 0..<(1 + Int(choice >> 8) % 4) where count > 0 {
                    let word = random.next()
                    let index = Int(word >> 16) % count
                    packet[index] = word & 1 == 0 ? UInt8(truncatingIfNeeded: word >> 8) : packet[index] ^ (1 << (word >> 8 & 7))
                }
            }
            switch Self.parse(packet, count) {
            case .success(let headers):
                accepted += 1
                let isSound =
                    headers.transportOffset >= 20 && headers.transportOffset <= headers.payloadOffset
                    && headers.payloadOffset <= count && headers.source.family == headers.destination.family
                    && (headers.transport.hasPorts || headers.sourcePort == 0 && headers.destinationPort == 0)
                // Not through the macro for every packet: it costs more than the parser.
                if !isSound { Issue.record("\(headers) of \(packet[..<count])") }
            case .failure(let error):
                outcomes.insert(error)
            }
        }
        print("packet headers: \(parsed) packets, \(accepted) accepted, \(outcomes.count) outcomes")
        #expect(accepted > 0)
        for error in PacketError.allCases { #expect(outcomes.contains(error), "\(error) never came up in \(parsed) packets") }
    }

    private static func parse(_ packet: [UInt8], _ count: Int) -> Result<PacketHeaders, PacketError> {
        let span = packet.span
        let piece = span.extracting(first: count)
        do throws(PacketError) {
            return .success(try PacketHeaders(parsing: piece))
        } catch {
            return .failure(error)
        }
    }

    /// Good packets only: for every error the testing library itself keeps a backtrace, which allocates.
    @Test func `reading headers allocates nothing`() {
        let packets = HeaderTableTests.good.map(\.packet)
        var accepted = 0
        func readAll() {
            for index in 0..<packets.count {
                if case .success = Self.parse(packets[index], packets[index].count) { accepted += 1 }
            }
        }
        readAll()
        let before = exeat_allocations_of_this_thread()
        for _ in 0..<100 { readAll() }
        #expect(exeat_allocations_of_this_thread() == before)
        #expect(accepted == 101 * HeaderTableTests.good.count)
    }
}
