import NetworkTypes

/// Deadlines of numbered slots, at most one each: a binary heap that knows where each slot stands.
///
/// Storage is allocated at start; every operation is O(log n).
struct DeadlineHeap {
    private var heap: [(deadline: Instant, slot: Int32)] = []
    private var position: [Int32]

    /// Slots are numbered from 0 to `slots` - 1.
    init(slots: Int) {
        position = Array(repeating: -1, count: slots)
        heap.reserveCapacity(slots)
    }

    var count: Int { heap.count }

    /// The earliest deadline, if any slot has one.
    var earliest: Instant? { heap.first?.deadline }

    mutating func set(_ slot: Int, deadline: Instant) {
        let place = Int(position[slot])
        guard place >= 0 else {
            position[slot] = Int32(heap.count)
            heap.append((deadline, Int32(slot)))
            rise(heap.count - 1)
            return
        }
        let earlier = deadline < heap[place].deadline
        heap[place].deadline = deadline
        if earlier { rise(place) } else { sink(place) }
    }

    mutating func remove(_ slot: Int) {
        let place = Int(position[slot])
        guard place >= 0 else { return }
        position[slot] = -1
        let last = heap.removeLast()
        guard place < heap.count else { return }
        heap[place] = last
        position[Int(last.slot)] = Int32(place)
        rise(place)
        sink(Int(position[Int(last.slot)]))
    }

    /// Takes out a slot whose deadline is not later than `now`.
    mutating func popExpired(now: Instant) -> Int? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        remove(Int(first.slot))
        return Int(first.slot)
    }

    private mutating func rise(_ start: Int) {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard heap[place].deadline < heap[parent].deadline else { return }
            swap(place, parent)
            place = parent
        }
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            var least = place
            for child in (2 * place + 1)...(2 * place + 2) where child < heap.count && heap[child].deadline < heap[least].deadline {
                least = child
            }
            guard least != place else { return }
            swap(place, least)
            place = least
        }
    }

    private mutating func swap(_ one: Int, _ other: Int) {
        heap.swapAt(one, other)
        position[Int(heap[one].slot)] = Int32(one)
        position[Int(heap[other].slot)] = Int32(other)
    }
}
