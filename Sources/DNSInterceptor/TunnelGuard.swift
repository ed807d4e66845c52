import DomainNames
import Glibc
import NetworkTypes

/// Finds clients that carry data in the names that they ask for.
///
/// A tunnel (iodine, dnscat2, dns2tcp) asks for names that nobody has asked for before, below a domain whose servers are the other end, and as many bytes
/// go out as the names hold. Both are counted, for each client and each registered domain, over a minute: names that this client has not asked for lately,
/// and the information in them by the entropy of their bytes (Shannon). One of them alone is ordinary: a browser meets many new names, but below many
/// domains; a blocklist is asked for many below one, but short ones; a CDN has long random labels, but few new ones a minute.
///
///     client, name -> bucket -> asked lately? -> count, bytes of this minute -> above both limits -> suspect, to the end of the next minute
///
/// For questions that the cache cannot answer: a tunnel has no others. Bounded: four places for each hash, of which the least busy gives way, so that a
/// tunnel does not hide behind a flood of other domains.
public struct TunnelGuard {
    private static let ways = 4
    private static let windowNanoseconds: UInt64 = 60_000_000_000
    /// A name that holds less says nothing. An IPv4 address in decimal, as blocklists are asked for it, has six.
    private static let bytesPerNameMin = 8
    /// Names after which the older half of a bucket's memory is forgotten.
    private static let namesPerFilter = 400

    private struct Bucket {
        /// 0: free.
        var key: UInt64 = 0
        var windowStart = Instant(nanoseconds: 0)
        var names: UInt32 = 0
        var eighthBits: UInt64 = 0
        /// The minute before was above the limits.
        var wasAbove = false
        var remembered = 0
        /// Bloom filters (Bloom 1970) of names asked for, three bits each: this one is filled, the other was before.
        var current = InlineArray<32, UInt64>(repeating: 0)
        var earlier = InlineArray<32, UInt64>(repeating: 0)

        private static func bits(_ hash: UInt64) -> [UInt64] { [hash & 2_047, hash >> 11 & 2_047, hash >> 22 & 2_047] }

        private static func holds(_ filter: InlineArray<32, UInt64>, _ hash: UInt64) -> Bool {
            bits(hash).allSatisfy { filter[Int($0 >> 6)] >> ($0 & 63) & 1 == 1 }
        }

        func isFresh(_ hash: UInt64) -> Bool { !Self.holds(current, hash) && !Self.holds(earlier, hash) }

        mutating func remember(_ hash: UInt64) {
            if Self.holds(current, hash) { return }
            if remembered == TunnelGuard.namesPerFilter {
                earlier = current
                current = InlineArray(repeating: 0)
                remembered = 0
            }
            for bit in Self.bits(hash) { current[Int(bit >> 6)] |= 1 << (bit & 63) }
            remembered += 1
        }
    }

    public let limits: TunnelLimits
    private var buckets: [Bucket]
    private let seed: UInt64

    public init(_ limits: TunnelLimits) {
        self.limits = limits
        let sets = limits.mode == .disabled ? 0 : max(1, limits.trackedMax / Self.ways)
        buckets = Array(repeating: Bucket(), count: sets * Self.ways)
        seed = .random(in: .min ... .max)
    }

    /// Notes that a client asks for a name. The registered domain below which it asks for too many new ones, if this is one of them.
    public mutating func suspect(_ name: DomainName, client: EndpointID, now: Instant) -> DomainName? {
        guard !buckets.isEmpty, let domain = name.registrableName, domain.rootFirst.count < name.rootFirst.count else { return nil }
        if limits.exemptZones.contains(where: { name.isSubdomain(of: $0) }) { return nil }
        let place = place(of: hash(domain, client), now)
        if now.nanoseconds(since: buckets[place].windowStart) >= Self.windowNanoseconds { beginWindow(place, now) }
        let hashed = hash(name, client)
        // Each name by itself: many that say nothing must not hide the few that do.
        let information = Self.information(in: name, below: domain)
        if buckets[place].isFresh(hashed), information >= 64 * Self.bytesPerNameMin {
            buckets[place].names &+= 1
            buckets[place].eighthBits &+= UInt64(information)
            // A suspect name stays new, so that asking again, or for another type, does not help it.
            if buckets[place].wasAbove || isAbove(buckets[place]) { return domain }
        }
        buckets[place].remember(hashed)
        return nil
    }

    private func isAbove(_ bucket: Bucket) -> Bool {
        bucket.names > limits.freshNamesPerMinute && bucket.eighthBits / 64 > limits.payloadBytesPerMinute
    }

    private mutating func beginWindow(_ place: Int, _ now: Instant) {
        let isNext = now.nanoseconds(since: buckets[place].windowStart) < 2 * Self.windowNanoseconds
        buckets[place].wasAbove = isNext && isAbove(buckets[place])
        buckets[place].windowStart = now
        buckets[place].names = 0
        buckets[place].eighthBits = 0
    }

    /// The bucket of a client and a domain: a new one takes the place of the one with the fewest new names in this minute.
    private mutating func place(of key: UInt64, _ now: Instant) -> Int {
        let first = Int(key % UInt64(buckets.count / Self.ways)) * Self.ways
        var quietest = first
        var fewest = UInt32.max
        for place in first..<first + Self.ways {
            if buckets[place].key == key { return place }
            let isOld = now.nanoseconds(since: buckets[place].windowStart) >= Self.windowNanoseconds
            let names = buckets[place].key == 0 || isOld ? 0 : buckets[place].names
            if names < fewest { (quietest, fewest) = (place, names) }
        }
        buckets[quietest] = Bucket()
        buckets[quietest].key = key
        buckets[quietest].windowStart = now
        return quietest
    }

    private func hash(_ name: DomainName, _ client: EndpointID) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(seed)
        hasher.combine(client)
        hasher.combine(name)
        return UInt64(UInt(bitPattern: hasher.finalize())) | 1 << 63
    }

    /// What the labels below a domain can carry by the entropy of their bytes, in eighths of a bit. However it is cut into labels.
    static func information(in name: DomainName, below domain: DomainName) -> UInt32 {
        var counts = InlineArray<256, UInt8>(repeating: 0)
        var total = 0
        var position = domain.rootFirst.count
        while position < name.rootFirst.count {
            let end = position + 1 + Int(name.rootFirst[position])
            for index in position + 1..<end { counts[Int(name.rootFirst[index])] += 1 }
            total += end - position - 1
            position = end
        }
        guard total > 0 else { return 0 }
        // n log n, less c log c of each byte that is there c times.
        var sum = Double(total) * log2(Double(total))
        for value in 0..<256 where counts[value] > 1 { sum -= Double(counts[value]) * log2(Double(counts[value])) }
        return UInt32(8 * max(0, sum))
    }
}
