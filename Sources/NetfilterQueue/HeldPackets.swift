/// The packets of one queue that wait for a later verdict, oldest first; a fixed ring.
///
/// The kernel numbers the packets of a queue upwards, and all wait equally long, so ids and deadlines rise from head to tail: an id is
/// found by bisection, and what is overdue stands in front. A packet that was released leaves a gap until it is the first, or the ring is full.
@usableFromInline
@safe
struct HeldPackets: ~Copyable {
    @usableFromInline
    struct Entry: BitwiseCopyable {
        @usableFromInline var id: UInt32
        @usableFromInline var isHeld: Bool
        @usableFromInline var deadline: UInt64
    }

    private let entries: UnsafeMutablePointer<Entry>
    private let capacity: Int
    private var head = 0
    private var places = 0
    /// Packets that wait.
    @usableFromInline private(set) var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        unsafe entries = .allocate(capacity: max(1, capacity))
        unsafe entries.initialize(repeating: Entry(id: 0, isHeld: false, deadline: 0), count: max(1, capacity))
    }

    @usableFromInline
    deinit { unsafe entries.deallocate() }

    /// False if there is no room; the id must be later than all before it.
    @usableFromInline
    mutating func append(_ id: UInt32, deadline: UInt64) -> Bool {
        if places == capacity { closeGaps() }
        guard places < capacity else { return false }
        // Sound, as below: the place is taken modulo the capacity.
        unsafe entries[(head + places) % capacity] = Entry(id: id, isHeld: true, deadline: deadline)
        places += 1
        count += 1
        return true
    }

    /// None waits any more.
    mutating func removeAll() {
        head = 0
        places = 0
        count = 0
    }

    /// Whether the packet waited; it does no more.
    @usableFromInline
    mutating func remove(_ id: UInt32) -> Bool {
        guard places > 0 else { return false }
        let first = unsafe entries[head].id
        let wanted = id &- first
        var low = 0
        var high = places
        while low < high {
            let middle = (low + high) / 2
            let place = (head + middle) % capacity
            let distance = unsafe entries[place].id &- first
            if distance == wanted {
                guard unsafe entries[place].isHeld else { return false }
                unsafe entries[place].isHeld = false
                count -= 1
                dropGaps()
                return true
            }
            if distance < wanted { low = middle + 1 } else { high = middle }
        }
        return false
    }

    /// The oldest packet if it has waited too long; it does no more.
    @usableFromInline
    mutating func takeOverdue(now: UInt64) -> UInt32? {
        guard count > 0, unsafe entries[head].deadline <= now else { return nil }
        let id = unsafe entries[head].id
        unsafe entries[head].isHeld = false
        count -= 1
        dropGaps()
        return id
    }

    /// When the oldest packet has waited too long; nil if none waits.
    @usableFromInline var nextDeadline: UInt64? { count > 0 ? unsafe entries[head].deadline : nil }

    private mutating func closeGaps() {
        guard count < places else { return }
        var kept = 0
        for place in 0..<places {
            let entry = unsafe entries[(head + place) % capacity]
            guard entry.isHeld else { continue }
            unsafe entries[(head + kept) % capacity] = entry
            kept += 1
        }
        places = kept
    }

    private mutating func dropGaps() {
        while places > 0, unsafe !entries[head].isHeld {
            head = (head + 1) % capacity
            places -= 1
        }
    }
}
