import NetworkTypes

/// Questions that others have asked and that wait for their answers: what is not asked for is no answer.
package struct SnoopedQuestions {
    /// Who asked whom what, under which number.
    package struct Key: Hashable {
        let client: IPAddress
        let clientPort: UInt16
        let server: IPAddress
        let isStream: Bool
        let id: UInt16
        /// Of the question as it stands in the message, letter case aside.
        let hash: Int

        package init(client: IPAddress, clientPort: UInt16, server: IPAddress, isStream: Bool, id: UInt16, hash: Int) {
            self.client = client
            self.clientPort = clientPort
            self.server = server
            self.isStream = isStream
            self.id = id
            self.hash = hash
        }
    }

    private let limits: SnoopLimits
    /// When they were asked.
    private var waiting: [Key: Instant] = [:]
    private var counts: [IPAddress: Int] = [:]
    /// Oldest first, answered ones among them.
    private var order: [(key: Key, askedAt: Instant)] = []
    private var first = 0

    package init(_ limits: SnoopLimits) { self.limits = limits }

    package var count: Int { waiting.count }

    /// False if there is no room for it. One that is asked again under the same number takes the place of the one before.
    package mutating func note(_ key: Key, now: Instant) -> Bool {
        forget(before: now)
        if waiting[key] == nil {
            let (left, ofClient) = (limits.questionsMax - waiting.count, counts[key.client, default: 0])
            // Nobody has more than he leaves to others.
            guard ofClient < limits.questionsPerClientMax, ofClient < left else {
                return false
            }
            counts[key.client, default: 0] += 1
        }
        waiting[key] = now
        order.append((key, now))
        return true
    }

    /// When it was asked; nil if nobody waits for its answer any more.
    package func askedAt(_ key: Key, now: Instant) -> Instant? {
        guard let askedAt = waiting[key], now.nanoseconds(since: askedAt) <= limits.questionSeconds * 1_000_000_000 else { return nil }
        return askedAt
    }

    package mutating func remove(_ key: Key) {
        guard waiting.removeValue(forKey: key) != nil, let left = counts[key.client] else { return }
        counts[key.client] = left > 1 ? left - 1 : nil
    }

    private mutating func forget(before now: Instant) {
        while first < order.count {
            let (key, askedAt) = order[first]
            // Asked anew since, it stands further back; answered, it has gone.
            let isOver = waiting[key] != askedAt
            guard isOver || now.nanoseconds(since: askedAt) > limits.questionSeconds * 1_000_000_000 else { break }
            if !isOver { remove(key) }
            first += 1
        }
        if first > order.count / 2 {
            order.removeFirst(first)
            first = 0
        } else if order.count - first > 2 * limits.questionsMax {
            // One that nobody answers stands in front of many that were.
            order = order[first...].filter { waiting[$0.key] == $0.askedAt }
            first = 0
        }
    }
}
