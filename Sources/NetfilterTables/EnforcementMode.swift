/// Whether denials are carried out.
public enum EnforcementMode: String, Sendable, Hashable, CaseIterable {
    /// Denied packets are dropped or rejected; without a listener nothing passes.
    case enforce
    /// Nothing is dropped by rules: they count only, and packets pass when no daemon listens or its queue is full.
    case audit
}
