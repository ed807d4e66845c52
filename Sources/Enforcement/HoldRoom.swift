import NetworkTypes

/// The packets of one queue that wait for an answer, oldest first, with what is needed to decide them again. Allocated once.
///
/// Bounded in number, in all and for each endpoint number (those beyond the size of the table share a bound), and in time: all wait equally
/// long at most. A *pass* goes over them once, if there is reason to, and takes out those that are done.
@safe
public struct HoldRoom: ~Copyable {
    /// Of each packet; headers that are judged are within.
    public static let packetBytesMax = 256
    /// Packets of one endpoint.
    public static let perEndpoint = 64

    /// One packet that waits.
    public struct Entry: Sendable, BitwiseCopyable {
        /// Of the queue.
        public let id: UInt32
        /// Whatever the owner wants to remember.
        public let tag: UInt32
        public let endpoint: EndpointID
        public let deadline: Instant
        /// A redial was asked for.
        public internal(set) var isRedialled: Bool
        /// `QueryFlights.State.changes` at the last decision.
        var changes: UInt32
        var isStale: Bool
        var count: UInt16
        var bytes: UInt32
    }

    private let entries: UnsafeMutablePointer<Entry>
    private let bytes: UnsafeMutablePointer<UInt8>
    /// Places of `bytes` that are free.
    private let free: UnsafeMutablePointer<UInt32>
    private let ofEndpoint: UnsafeMutablePointer<UInt16>
    private static let endpointPlaces = 65_536
    public let capacity: Int
    private let holdNanoseconds: UInt64
    public private(set) var count = 0
    private var seenChanges: UInt64 = 0
    private var hasNew = false
    // Of the pass.
    private var now = Instant(nanoseconds: 0)
    private var readPlace = 0
    private var keptPlace = 0

    /// With a capacity of 0 nothing is ever held.
    public init(capacity: Int, milliseconds: UInt32) {
        self.capacity = milliseconds == 0 ? 0 : capacity
        holdNanoseconds = UInt64(milliseconds) * 1_000_000
        let places = max(1, self.capacity)
        unsafe entries = .allocate(capacity: places)
        let filler = Entry(
            id: 0, tag: 0, endpoint: EndpointID(rawValue: 0), deadline: Instant(nanoseconds: 0), isRedialled: false, changes: 0,
            isStale: false, count: 0, bytes: 0)
        unsafe entries.initialize(repeating: filler, count: places)
        unsafe bytes = .allocate(capacity: places * Self.packetBytesMax)
        unsafe bytes.initialize(repeating: 0, count: places * Self.packetBytesMax)
        unsafe free = .allocate(capacity: places)
        unsafe free.initialize(repeating: 0, count: places)
        for place in 0..<places { unsafe free[place] = UInt32(place) }
        unsafe ofEndpoint = .allocate(capacity: Self.endpointPlaces)
        unsafe ofEndpoint.initialize(repeating: 0, count: Self.endpointPlaces)
    }

    deinit {
        unsafe entries.deallocate()
        unsafe bytes.deallocate()
        unsafe free.deallocate()
        unsafe ofEndpoint.deallocate()
    }

    /// Whether one more packet of the endpoint may wait.
    public func hasRoom(for endpoint: EndpointID) -> Bool {
        unsafe count < capacity && ofEndpoint[Self.place(endpoint)] < UInt16(Self.perEndpoint)
    }

    /// Takes a packet in, of which it keeps a copy; outside of a pass. There must be room.
    public mutating func append(
        _ id: UInt32, tag: UInt32, _ packet: Span<UInt8>, _ ticket: HoldTicket, isRedialled: Bool, now: Instant
    ) {
        precondition(hasRoom(for: ticket.endpoint), "no packet is held without room")
        // Sound here and below: entries below `count` and places of `bytes` below the capacity exist, and as many places are free as entries.
        let place = unsafe free[capacity - count - 1]
        let length = min(packet.count, Self.packetBytesMax)
        let start = Int(place) * Self.packetBytesMax
        for index in 0..<length { unsafe bytes[start + index] = packet[index] }
        unsafe entries[count] = Entry(
            id: id, tag: tag, endpoint: ticket.endpoint, deadline: now.advanced(byNanoseconds: holdNanoseconds), isRedialled: isRedialled,
            changes: ticket.flights.changes, isStale: ticket.isStale, count: UInt16(length), bytes: place)
        count += 1
        unsafe ofEndpoint[Self.place(ticket.endpoint)] += 1
        hasNew = hasNew || ticket.isStale
    }

    /// Forgets all: the queue has lost them.
    public mutating func removeAll() {
        while count > 0 {
            count -= 1
            giveBack(unsafe entries[count], freeCount: capacity - count)
        }
    }

    // MARK: A pass

    /// False if there is nothing to look at: no change for anybody since the last pass, and no time over.
    public mutating func beginPass(changes: UInt64, now: Instant) -> Bool {
        guard count > 0 else { return false }
        let isOverdue = unsafe entries[0].deadline <= now
        guard isOverdue || hasNew || changes != seenChanges else { return false }
        seenChanges = changes
        hasNew = false
        self.now = now
        readPlace = 0
        keptPlace = 0
        return true
    }

    /// The next packet to decide again: `keep` or `release` it before the next call. Nil ends the pass.
    public mutating func next(_ flights: borrowing QueryFlights) -> Entry? {
        while readPlace < count {
            let entry = unsafe entries[readPlace]
            if entry.isStale || entry.deadline <= now || flights.state(of: entry.endpoint).changes != entry.changes { return entry }
            keep(entry)
        }
        count = keptPlace
        return nil
    }

    public func isOverdue(_ entry: Entry) -> Bool { entry.deadline <= now }

    public func packet(_ entry: Entry) -> UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: bytes + Int(entry.bytes) * Self.packetBytesMax, count: Int(entry.count))
    }

    /// It goes on waiting.
    public mutating func keep(_ entry: Entry, _ ticket: HoldTicket, isRedialled: Bool) {
        var entry = entry
        entry.isStale = ticket.isStale
        entry.changes = ticket.flights.changes
        entry.isRedialled = isRedialled
        hasNew = hasNew || ticket.isStale
        keep(entry)
    }

    public mutating func release(_ entry: Entry) {
        readPlace += 1
        giveBack(entry, freeCount: capacity - count + readPlace - keptPlace)
    }

    private mutating func keep(_ entry: Entry) {
        unsafe entries[keptPlace] = entry
        keptPlace += 1
        readPlace += 1
    }

    private func giveBack(_ entry: Entry, freeCount: Int) {
        unsafe free[freeCount - 1] = entry.bytes
        unsafe ofEndpoint[Self.place(entry.endpoint)] -= 1
    }

    private static func place(_ endpoint: EndpointID) -> Int { Int(endpoint.rawValue) & (endpointPlaces - 1) }
}
