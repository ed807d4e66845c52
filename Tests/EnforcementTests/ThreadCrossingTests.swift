import Enforcement
import Synchronization
import Testing

struct ThreadCrossingTests {
    @Test func `a ring hands everything over in order while it is not full`() {
        let ring = Ring<UInt64>(capacity: 64, filler: 0)
        let count: UInt64 = 300_000
        let faults = Atomic<Int>(0)
        onThreads(
            {
                var next: UInt64 = 0
                // Full is not an error here: the same fact is offered again.
                while next < count { if ring.append(next) { next += 1 } }
            },
            {
                var expected: UInt64 = 0
                while expected < count {
                    guard let element = ring.popFirst() else { continue }
                    if element != expected { faults.add(1, ordering: .relaxed) }
                    expected += 1
                }
            })
        #expect(faults.load(ordering: .relaxed) == 0)
        #expect(ring.popFirst() == nil)
    }

    @Test(arguments: [(1, 1), (2, 2), (5, 8), (64, 64)])
    func `a full ring drops the newest and counts it`(row: (asked: Int, holds: Int)) {
        let ring = Ring<Int>(capacity: row.asked, filler: -1)
        #expect(ring.popFirst() == nil)
        for turn in 0..<3 {
            for number in 0..<row.holds { #expect(ring.append(number)) }
            #expect(!ring.append(99))
            #expect(!ring.append(99))
            #expect(ring.droppedCount == UInt64(2 * (turn + 1)))
            #expect((0..<row.holds).map { _ in ring.popFirst() } == (0..<row.holds).map { $0 })
            #expect(ring.popFirst() == nil)
        }
    }

    @Test func `drops under load are counted to the last one`() {
        let ring = Ring<UInt64>(capacity: 32, filler: 0)
        let count: UInt64 = 200_000
        let received = Atomic<UInt64>(0)
        let disorder = Atomic<Int>(0)
        let isOver = Atomic<Bool>(false)
        onThreads(
            {
                for number in 1...count { ring.append(number) }
                isOver.store(true, ordering: .releasing)
            },
            {
                var (last, taken): (UInt64, UInt64) = (0, 0)
                while true {
                    let wasOver = isOver.load(ordering: .acquiring)
                    guard let element = ring.popFirst() else {
                        if wasOver { break }
                        continue
                    }
                    if element <= last { disorder.add(1, ordering: .relaxed) }
                    (last, taken) = (element, taken + 1)
                }
                received.store(taken, ordering: .relaxed)
            })
        #expect(disorder.load(ordering: .relaxed) == 0)
        #expect(received.load(ordering: .relaxed) + ring.droppedCount == count)
    }

    @Test func `a reader keeps its value until it asks`() {
        let published = Published(1)
        var reader = Published<Int>.Reader(published)
        published.publish(2)
        published.publish(3)
        #expect(reader.value == 1)
        #expect(published.current == 3)
        let (first, second) = (reader.refresh(), reader.refresh())
        #expect(first && !second)
        #expect(reader.value == 3)
    }

    @Test func `readers see rising values and the last one in the end`() {
        let published = Published(0)
        let count = 50_000
        let faults = Atomic<Int>(0)
        @Sendable func follow() {
            var reader = Published<Int>.Reader(published)
            var last = reader.value
            while last < count {
                reader.refresh()
                if reader.value < last { faults.add(1, ordering: .relaxed) }
                last = reader.value
            }
        }
        onThreads({ for value in 1...count { published.publish(value) } }, { follow() }, { follow() })
        #expect(faults.load(ordering: .relaxed) == 0)
    }
}
