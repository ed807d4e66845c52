/// The invariants of the design that a simulated history checks. Those of messages (9) and of reloads (10) have tests of their own.
public enum SimulationInvariant: String, Sendable, CaseIterable {
    case publishBeforeRelease = "1 publish before release"
    case learnedIsReleased = "2 the client receives exactly what was learned"
    case bindingsOfOneClient = "3 bindings and flows belong to one client"
    case functionOfInputs = "4 state is a function of current inputs"
    case policyOrder = "5 policy order decides"
    case liveFlows = "6 a live flow keeps its names until policy changes or it ends"
    case bounded = "7 everything is bounded"
    case reasons = "8 every drop has a reason"
    case currentGeneration = "11 a verdict counts only if its generation is current"
}
