/// A defect put into the simulated system on purpose: each must be caught by the check of the invariant that it breaks.
public enum SimulationFault: String, Sendable, CaseIterable {
    /// The answer goes to the client before its addresses are published.
    case releasesBeforePublishing
    /// The client gets an address of the answer that was not learned.
    case releasesMoreThanLearned
    /// The TTL that the client gets is longer than the lease.
    case handsOutLongTimesToLive
    /// Names from outside may point inside.
    case letsNamesPointInside
    /// What one client resolves is published for another one too.
    case sharesBindings
    /// The next owner of an address takes over flows and leases: whoever bears its generation is not looked for, nothing is purged.
    case keepsFlowsOfTheOwnerBefore
    /// A restart loses the bindings.
    case losesBindingsAtRestart
    /// Leases of bindings never end.
    case neverExpires
    /// A record whose bytes were damaged is taken over as it is.
    case trustsTornRecords
    /// A process that dies between the two halves of a new generation leaves the second without the first.
    case writesFingerprintsFirst
    /// Policies are tried in reverse order.
    case reversesOrder
    /// Expired bindings go although a live flow was admitted by them.
    case forgetsLiveFlows
    /// What was refused for good stays refused under another policy.
    case neverForgives
    /// A restart forgets the flows.
    case losesFlowsAtRestart
    /// Flows whose beginning was lost are not looked for.
    case sweepsSeeNothing
    /// A flow's end leaves it among the live ones.
    case ignoresEnds
    /// The name of a flow is that of another one.
    case mixesAdmissions
    /// One client has twice the bindings that it may have.
    case exceedsBounds
    /// One client's answers end the bindings of the others.
    case evictsOthers
    /// More kernel leases for one endpoint than its budget.
    case exceedsLeaseBudget
    /// Packets that cannot be read pass.
    case passesUnreadable
    /// A refusal is recorded with the reason of an admission.
    case refusesWithoutReason
    /// A policy change leaves the generation as it was.
    case keepsGeneration
    /// Verdicts are stamped without a look at the current generation.
    case stampsStaleVerdicts
    /// Kernel leases count whatever generation they hold.
    case revivesLeases
    /// A kernel lease outlives the binding that it was given for.
    case leasesOutliveBindings
    /// The verdict threads get a policy before its bindings are published under its numbers.
    case publishesBeforeAdopting
    /// A start leaves flows as they are that bear generations of an earlier process.
    case trustsEarlierFlows
    /// A generation is given out again although kernel leases bear it.
    case reusesLeasedGenerations

    /// Whose check finds it.
    public var invariants: Set<SimulationInvariant> {
        switch self {
        case .releasesBeforePublishing: [.publishBeforeRelease]
        case .releasesMoreThanLearned, .handsOutLongTimesToLive, .letsNamesPointInside: [.learnedIsReleased]
        case .sharesBindings, .keepsFlowsOfTheOwnerBefore, .trustsEarlierFlows: [.bindingsOfOneClient]
        case .losesBindingsAtRestart, .neverExpires, .trustsTornRecords, .leasesOutliveBindings: [.functionOfInputs]
        case .reversesOrder: [.policyOrder]
        // A rule that is not found by its names looks like one that another has overtaken.
        case .publishesBeforeAdopting: [.policyOrder, .publishBeforeRelease]
        case .forgetsLiveFlows, .neverForgives, .losesFlowsAtRestart, .sweepsSeeNothing, .mixesAdmissions: [.liveFlows]
        case .exceedsBounds, .evictsOthers, .exceedsLeaseBudget, .ignoresEnds: [.bounded]
        case .passesUnreadable, .refusesWithoutReason: [.reasons]
        case .keepsGeneration, .stampsStaleVerdicts, .revivesLeases, .writesFingerprintsFirst: [.currentGeneration]
        case .reusesLeasedGenerations: [.currentGeneration, .bindingsOfOneClient]
        }
    }
}
