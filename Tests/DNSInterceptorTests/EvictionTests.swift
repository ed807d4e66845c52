import DNSInterceptor
import Foundation
import Testing

/// What the cache keeps when it is full, beside other ways to choose, in the same number of bytes: answers of one size.
struct EvictionTests {
    private protocol Policy {
        /// True if it was there; it is kept if it was not.
        mutating func ask(_ number: Int) -> Bool
    }

    private struct Ours: Policy {
        var trial: CacheTrial
        mutating func ask(_ number: Int) -> Bool { trial.ask(number) }
    }

    /// The oldest goes.
    private struct FIFO: Policy {
        let capacity: Int
        var members: Set<Int> = []
        var queue: [Int] = []
        var head = 0
        mutating func ask(_ number: Int) -> Bool {
            if members.contains(number) { return true }
            if members.count == capacity {
                members.remove(queue[head])
                head += 1
            }
            members.insert(number)
            queue.append(number)
            return false
        }
    }

    /// The one that was asked for longest ago goes: the queue holds every use, and all but the last of a name are passed over.
    private struct LRU: Policy {
        let capacity: Int
        var lastUse: [Int: Int] = [:]
        var uses: [Int] = []
        var head = 0
        mutating func ask(_ number: Int) -> Bool {
            let isHit = lastUse[number] != nil
            lastUse[number] = uses.count
            uses.append(number)
            while lastUse.count > capacity {
                if lastUse[uses[head]] == head { lastUse[uses[head]] = nil }
                head += 1
            }
            return isHit
        }
    }

    /// SIEVE (Zhang et al., NSDI 2024): a hand goes from the oldest to the newest and takes the first that was not asked for since it last came by.
    private struct SIEVE: Policy {
        let capacity: Int
        var order: [Int] = []
        var isVisited: [Int: Bool] = [:]
        var hand = 0
        mutating func ask(_ number: Int) -> Bool {
            if isVisited[number] != nil {
                isVisited[number] = true
                return true
            }
            if order.count == capacity {
                if hand >= order.count { hand = 0 }
                while isVisited[order[hand]] == true {
                    isVisited[order[hand]] = false
                    hand = hand + 1 == order.count ? 0 : hand + 1
                }
                isVisited[order.remove(at: hand)] = nil
            }
            order.append(number)
            isVisited[number] = false
            return false
        }
    }

    private struct Random {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
            return value ^ value >> 31
        }
        mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }
    }

    /// Names by rank, the n-th asked for in proportion to 1 / n^skew.
    private struct Zipf {
        var sums: [Double] = []
        init(names: Int, skew: Double) {
            var sum = 0.0
            for rank in 1...names {
                sum += 1 / pow(Double(rank), skew)
                sums.append(sum)
            }
        }
        func draw(_ random: inout Random) -> Int {
            let wanted = random.unit() * (sums.last ?? 1)
            var low = 0
            var high = sums.count - 1
            while low < high {
                let middle = (low + high) / 2
                if sums[middle] < wanted { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    private static let requests = 60_000
    private static let capacity = 400
    private static let seed: UInt64 = 8_767

    private static func traces() -> [(name: String, numbers: [Int])] {
        var random = Random(state: seed)
        let flat = Zipf(names: 8_000, skew: 0.8)
        let steep = Zipf(names: 8_000, skew: 1.0)
        var fresh = 1_000_000
        func new() -> Int {
            fresh += 1
            return fresh
        }
        let plain = (0..<requests).map { _ in flat.draw(&random) }
        let steepPlain = (0..<requests).map { _ in steep.draw(&random) }
        // A scanner asks for 800 names once, time and again.
        let scans = (0..<requests).map { $0 % 4_000 < 800 ? new() : steep.draw(&random) }
        // Half of all questions are about names that nobody asks for again (random subdomains).
        let floods = (0..<requests).map { $0 % 2 == 0 ? new() : steep.draw(&random) }
        // What is popular changes four times.
        let drift = (0..<requests).map { steep.draw(&random) + $0 / 15_000 * 2_000 }
        return [
            ("zipf 0.8", plain), ("zipf 1.0", steepPlain), ("zipf and scans", scans), ("zipf and flood", floods), ("zipf, drifting", drift),
        ]
    }

    private static func hits(_ policy: some Policy, _ numbers: [Int]) -> Double {
        var policy = policy
        var count = 0
        for number in numbers where policy.ask(number) { count += 1 }
        return Double(count) / Double(numbers.count)
    }

    @Test func `the cache keeps more of what is asked for than the common ways, and much more under scans`() {
        var probe = CacheTrial(bytesMax: 1 << 20, entriesMax: 1 << 16)
        _ = probe.ask(0)
        let bytesMax = Self.capacity * probe.bytes
        var table = "hit ratio, \(Self.requests) questions, \(bytesMax) bytes (\(Self.capacity) answers), seed \(Self.seed)\n"
        table += "trace               ours    SIEVE     LRU    FIFO\n"
        var sums = SIMD4<Double>(repeating: 0)
        for (name, numbers) in Self.traces() {
            let row = SIMD4(
                Self.hits(Ours(trial: CacheTrial(bytesMax: bytesMax, entriesMax: 512)), numbers),
                Self.hits(SIEVE(capacity: Self.capacity), numbers), Self.hits(LRU(capacity: Self.capacity), numbers),
                Self.hits(FIFO(capacity: Self.capacity), numbers))
            sums += row
            let figures = (0..<4).map { String(Int(row[$0] * 1_000 + 0.5)) }.map {
                "   0." + String(repeating: "0", count: 3 - $0.count) + $0
            }
            table += name + String(repeating: " ", count: max(1, 17 - name.count)) + figures.joined() + "\n"
            #expect(row[0] > row[2] && row[0] > row[3], "\(name)")
        }
        print(table)
        #expect(sums[0] > sums[1], "S3-FIFO and not SIEVE")
    }

    @Test func `what is evicted leaves its bytes`() {
        var trial = CacheTrial(bytesMax: 100_000, entriesMax: 1 << 16)
        for number in 0..<5_000 {
            _ = trial.ask(number)
            #expect(trial.bytes <= 100_000)
        }
        #expect(trial.count > 50)
    }
}
