/// What became of a redial.
public enum RedialOutcome: Int, Sendable, CaseIterable, BitwiseCopyable {
    /// The name still has the address: it is bound anew.
    case confirmed
    /// The name has other addresses now, or none, or could not be resolved.
    case changed
    /// The binding is no longer remembered.
    case forgotten
    /// The client has asked for too many, or the same name is being resolved already.
    case limited

    public var label: String {
        switch self {
        case .confirmed: "confirmed"
        case .changed: "changed"
        case .forgotten: "forgotten"
        case .limited: "limited"
        }
    }
}
