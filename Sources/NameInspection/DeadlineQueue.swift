import NetworkTypes

/// Deadlines of flows that are all set the same time ahead, so that the first in is the first due. An entry whose serial number is not the
/// flow's any more counts for nothing.
struct DeadlineQueue: Sendable {
    struct Entry: Sendable {
        let due: Instant
        let flow: InspectedFlow
        let serial: UInt64
    }

    private var entries: [Entry] = []
    private var head = 0

    var first: Entry? { head < entries.count ? entries[head] : nil }
    var count: Int { entries.count - head }

    mutating func append(_ entry: Entry) { entries.append(entry) }

    mutating func removeFirst() {
        head += 1
        guard head > 64, head * 2 > entries.count else { return }
        entries.removeFirst(head)
        head = 0
    }

    /// Leaves out what no longer counts.
    mutating func compact(keeping isValid: (Entry) -> Bool) {
        entries = entries[head...].filter(isValid)
        head = 0
    }
}
