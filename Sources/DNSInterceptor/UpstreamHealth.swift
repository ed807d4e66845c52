import NetworkTypes

/// Whether an upstream is worth asking: a few failures in a row put it behind the others for a while.
///
/// A value: it is told what happened and when. Nothing probes on its own; after the pause the next query tries it again, and one more failure
/// puts it down for twice as long.
struct UpstreamHealth {
    private(set) var failuresInARow = 0
    private(set) var downUntil: Instant?
    private var pauseMilliseconds = 0
    /// It answered FORMERR or NOTIMP to EDNS and well without (RFC 6891 §6.2.2): asked without until this time.
    var withoutEDNSUntil: Instant?

    func isUp(now: Instant) -> Bool { downUntil.map { $0 <= now } ?? true }

    func acceptsEDNS(now: Instant) -> Bool { withoutEDNSUntil.map { $0 <= now } ?? true }

    mutating func succeed() {
        failuresInARow = 0
        downUntil = nil
        pauseMilliseconds = 0
    }

    /// Counts a failure; true if the upstream goes down with it.
    mutating func fail(now: Instant, configuration: DNSWorkerConfiguration) -> Bool {
        failuresInARow += 1
        guard failuresInARow >= configuration.failuresUntilDown, isUp(now: now) else { return false }
        pauseMilliseconds = min(max(configuration.downMilliseconds, 2 * pauseMilliseconds), configuration.downMillisecondsMax)
        downUntil = now.advanced(byNanoseconds: UInt64(max(0, pauseMilliseconds)) * 1_000_000)
        return true
    }
}
