import Enforcement
import NetworkTypes

/// The packets of one queue that wait for answers, and the redials that they ask for.
///
/// While nothing waits it costs a packet nothing: only what would be refused for want of a name comes here.
public struct PacketHold: ~Copyable {
    private var room: HoldRoom
    private let link: HoldLink?
    private let redials: Ring<Redial>?
    private let counters: VerdictCounters?
    private let wake: @Sendable () -> Void
    /// Redials were asked for that the DNS worker has not been told of.
    private var mustWake = false
    /// In the middle of a pass over what waits.
    private(set) var isInPass = false

    /// Holds nothing.
    public init() {
        room = HoldRoom(capacity: 0, milliseconds: 0)
        link = nil
        redials = nil
        counters = nil
        wake = {}
    }

    /// Of the verdict thread with this number; `wake` has the DNS worker look for redials.
    public init(
        capacity: Int, milliseconds: UInt32, link: HoldLink, thread: Int, counters: VerdictCounters, wake: @escaping @Sendable () -> Void
    ) {
        room = HoldRoom(capacity: capacity, milliseconds: milliseconds)
        self.link = link
        redials = link.redials[thread]
        self.counters = counters
        self.wake = wake
    }

    var isWanted: Bool { room.capacity > 0 }

    /// Whether anything waits, or the worker is to be woken.
    var isBusy: Bool { room.count > 0 || mustWake }

    /// Has a packet wait; false if it cannot, and must be refused.
    mutating func take(_ id: UInt32, _ packet: Span<UInt8>, _ tag: UInt32, _ ticket: HoldTicket, now: Instant) -> Bool {
        guard room.hasRoom(for: ticket.endpoint) else { return false }
        let isRedialled = ask(ticket.redial)
        guard isRedialled || ticket.awaitsAnswer else { return false }
        room.append(id, tag: tag, packet, ticket, isRedialled: isRedialled, now: now)
        return true
    }

    /// A packet that was to wait could not.
    func noteRefusal() -> HoldOutcome {
        counters?.noteHold(.full)
        return .full
    }

    mutating func removeAll() {
        room.removeAll()
        isInPass = false
        counters?.setHeld(0)
    }

    // MARK: A pass

    mutating func beginPass(changes: UInt64, now: Instant) -> Bool {
        if mustWake {
            mustWake = false
            wake()
        }
        counters?.setHeld(room.count)
        isInPass = room.beginPass(changes: changes, now: now)
        return isInPass
    }

    mutating func next() -> HoldRoom.Entry? {
        guard let link, let entry = room.next(link.flights) else {
            isInPass = false
            counters?.setHeld(room.count)
            return nil
        }
        return entry
    }

    func isOverdue(_ entry: HoldRoom.Entry) -> Bool { room.isOverdue(entry) }

    func packet(_ entry: HoldRoom.Entry) -> UnsafeBufferPointer<UInt8> { unsafe room.packet(entry) }

    /// Has it wait on; false if there is nothing left to wait for.
    mutating func keep(_ entry: HoldRoom.Entry, _ ticket: HoldTicket) -> Bool {
        let isRedialled = entry.isRedialled || ask(ticket.redial)
        guard isRedialled || ticket.awaitsAnswer else { return false }
        room.keep(entry, ticket, isRedialled: isRedialled)
        return true
    }

    mutating func release(_ entry: HoldRoom.Entry, _ verdict: VerdictEngine.Verdict, _ outcome: HoldOutcome) {
        room.release(entry)
        switch verdict {
        case .allow, .lease, .pending, .observe, .checked: counters?.noteHold(.allowed)
        case .reject, .drop, .revoke, .hold: counters?.noteHold(outcome)
        }
    }

    /// Asks for a redial, which counts as a query in flight until the worker has done with it.
    private mutating func ask(_ redial: Redial?) -> Bool {
        guard let redial, let redials, let link else { return false }
        link.flights.begin(redial.endpoint)
        guard redials.append(redial) else {
            link.flights.cancel(redial.endpoint)
            return false
        }
        mustWake = true
        return true
    }
}
