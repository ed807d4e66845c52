/// A defect put into the simulated system on purpose: each must be caught by the check of the invariant that it breaks.
public enum SimulationFault: String, Sendable, CaseIterable {
    /// The answer goes to the client before its addresses are published (invariant 1).
    case releasesBeforePublishing
    /// What one client resolves is published for another one too (invariant 3).
    case sharesBindings
    /// Policies are tried in reverse order (invariant 5).
    case reversesOrder
    /// Expired bindings go although a live flow was admitted by them (invariant 6).
    case forgetsLiveFlows
    /// A policy change leaves the generation as it was (invariants 6 and 11).
    case keepsGeneration
    /// Verdicts are stamped without a look at the current generation (invariant 11).
    case stampsStaleVerdicts
    /// A restart loses the bindings (invariant 4).
    case losesBindingsAtRestart
    /// Leases never end (invariant 4).
    case neverExpires
}
