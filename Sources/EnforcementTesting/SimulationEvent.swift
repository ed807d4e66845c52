/// What happens in a history, and is counted: a check that never ran proves nothing.
public enum SimulationEvent: Int, Sendable, CaseIterable {
    case answers
    case answersThatPointInside
    case newFlows
    case allowedByName
    case denied
    case unpolicedFlows
    case unknownSources
    case unreadablePackets
    case redecisions
    case redecidedByDrainingName
    case policyChanges
    case addressesWithAnotherOwner
    case generationsExhausted
    case restarts
    case crashes
    case crashesWithinChange
    case tornRecords
    case tornGenerations
    case verdictsInFlight
    case staleStamps
    case kernelLeases
    case flowsByLease
    case leasesRefused
    case revocations
    case packetsOfRevokedFlows
    case flowsForgiven
    case sweeps
    case brokenSweeps
    case lostFacts
    case lostEvents
    case flowsAskedAgain
    case flowsRecovered
    case flowsBeyondTable
    case endsChecked
    case admissionsChecked
    case boundsReached

    /// "flowsByLease" reads "flows by lease".
    public var label: String {
        var text = ""
        for character in "\(self)" {
            if character.isUppercase { text.append(" ") }
            text += character.lowercased()
        }
        return text
    }
}
