/// What became of a packet that was to wait for an answer.
public enum HoldOutcome: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case allowed
    /// The answers came, and policy does not allow it under them.
    case refused
    /// It could not wait: its client, or all together, had as many packets waiting as they may. Refused at once.
    case full
    /// No answer came in time: refused.
    case timeout

    public var label: String {
        switch self {
        case .allowed: "allowed"
        case .refused: "refused"
        case .full: "full"
        case .timeout: "timeout"
        }
    }
}
