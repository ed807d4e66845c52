extension Simulation.Coverage {
    public mutating func add(_ other: Simulation.Coverage) {
        answers += other.answers
        newFlows += other.newFlows
        allowedByName += other.allowedByName
        denied += other.denied
        redecisions += other.redecisions
        redecidedByDrainingName += other.redecidedByDrainingName
        policyChanges += other.policyChanges
        restarts += other.restarts
        staleStamps += other.staleStamps
        boundsReached += other.boundsReached
    }
}
