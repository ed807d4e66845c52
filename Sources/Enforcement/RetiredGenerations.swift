import NetworkTypes

/// Which generations an address has had lately and has no more. Conntrack does not know all who bear one: a kernel lease does, and a verdict
/// on its way. Given to the next owner of the address, or to the same one after a wrap, before they are gone, it would bring them to life.
///
/// Kept in the process alone: the next one installs its table without leases, and asks again for what was on its way. One owner.
public struct RetiredGenerations: Sendable {
    /// A second more than anything but a conntrack entry bears a generation.
    public static let restSeconds = LeaseBudget.leaseSeconds + 1

    private struct Retired {
        let generation: UInt16
        let time: Instant
    }

    private var retired: [IPAddress: [Retired]] = [:]
    private var nextLook = Instant(nanoseconds: 0)

    public init() {}

    /// Addresses of which something is kept.
    public var count: Int { retired.count }

    /// The kernel has taken the generation back from the address. Amortized O(1); at most as many are kept as there are changes in
    /// `restSeconds`.
    public mutating func retire(_ generation: UInt16, of address: IPAddress, now: Instant) {
        if now >= nextLook {
            nextLook = now.advanced(bySeconds: Self.restSeconds)
            retired = retired.compactMapValues { list in
                let kept = list.filter { Self.rests($0, now) }
                return kept.isEmpty ? nil : kept
            }
        }
        retired[address, default: []].append(Retired(generation: generation, time: now))
    }

    public func contains(_ generation: UInt16, of address: IPAddress, now: Instant) -> Bool {
        retired[address]?.contains { $0.generation == generation && Self.rests($0, now) } ?? false
    }

    private static func rests(_ entry: Retired, _ now: Instant) -> Bool {
        now.nanoseconds(since: entry.time) < restSeconds * 1_000_000_000
    }
}
