/// What becomes of a packet that was read on its way.
public enum SnoopVerdict: Sendable, Hashable {
    case pass
    /// Without a word: whoever waits asks again.
    case drop
    /// Its sender is told: by an ICMP error, over TCP by a reset.
    case refuse
}
