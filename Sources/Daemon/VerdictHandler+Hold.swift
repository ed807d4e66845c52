import Enforcement
import NetfilterQueue

extension VerdictHandler {
    /// The next held packet that is done: its answer came, its queries have ended, or its time is over.
    mutating func nextHeld() -> PacketRelease? {
        guard hold.isInPass || hold.beginPass(changes: engine.noteChanges(), now: engine.now) else { return nil }
        while let entry = hold.next() {
            let patience: VerdictEngine.Patience =
                hold.isOverdue(entry) ? .none : entry.isRedialled ? .answers : .answersAndRedial
            let state = VerdictEngine.FlowState(isReply: false, wasAdmitted: false)
            let outcome: HoldOutcome = hold.isOverdue(entry) ? .timeout : .refused
            let bytes = unsafe hold.packet(entry)
            var verdict = unsafe engine.decide(bytes.span, state, patience: patience, waited: outcome)
            if case .hold(let ticket) = verdict {
                if hold.keep(entry, ticket) { continue }
                verdict = unsafe engine.decide(bytes.span, state, waited: outcome)
            }
            hold.release(entry, verdict, outcome)
            return PacketRelease(id: entry.id, packetVerdict(verdict, entry.tag))
        }
        return nil
    }
}
