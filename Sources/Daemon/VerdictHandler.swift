import Enforcement
import Logging
import NetfilterQueue
import NetfilterTables
import NetworkTypes

/// One queue and the engine that decides its packets.
public struct VerdictHandler: PacketHandler, ~Copyable {
    var engine: VerdictEngine
    var hold: PacketHold
    private let layout: MarkLayout
    private let newReply: UInt32
    private let redecideReply: UInt32
    private let redecideOriginal: UInt32
    private let reject: UInt32
    private let denied: UInt32
    private let foreignBitsLessOne: UInt32

    public init(engine: consuming VerdictEngine, layout: MarkLayout, hold: consuming PacketHold = PacketHold()) {
        self.engine = engine
        self.hold = hold
        self.layout = layout
        newReply = layout.deposit(layout.newReply)
        redecideReply = layout.deposit(layout.redecideReply)
        redecideOriginal = layout.deposit(layout.redecideOriginal)
        reject = layout.deposit(layout.reject)
        denied = layout.deposit(layout.denied)
        foreignBitsLessOne = layout.foreignBits & (layout.foreignBits &- 1)
    }

    public mutating func beginBatch() { engine.beginBatch(now: BootClock.now()) }

    public mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict {
        let question = packet.mark & layout.mask
        let state = VerdictEngine.FlowState(
            isReply: question == newReply || question == redecideReply,
            wasAdmitted: question == redecideReply || question == redecideOriginal)
        // All foreign bits set would ask for a lease: a packet that came so loses one.
        let isForeignFull = packet.mark & layout.foreignBits == layout.foreignBits
        let foreign = packet.mark & (isForeignFull ? foreignBitsLessOne : layout.foreignBits)
        let verdict = engine.decide(payload, state, patience: hold.isWanted ? .answersAndRedial : .none)
        if case .hold(let ticket) = verdict {
            if hold.take(packet.id, payload, foreign, ticket, now: engine.now) { return .hold }
            return packetVerdict(engine.decide(payload, state, waited: hold.noteRefusal()), foreign)
        }
        return packetVerdict(verdict, foreign)
    }

    public mutating func nextRelease() -> PacketRelease? {
        guard hold.isBusy else { return nil }
        return nextHeld()
    }

    /// The queue has lost what waited.
    mutating func forgetHeld() { hold.removeAll() }

    /// How the kernel is told. A packet that is held is not the engine's matter any more.
    func packetVerdict(_ verdict: VerdictEngine.Verdict, _ foreign: UInt32) -> PacketVerdict {
        switch verdict {
        // Audit mode, and no endpoint whose generation could be stamped: a stamp of 0 would come back to the queue for ever.
        case .allow(0): return .acceptOnce
        case .allow(let generation): return .repeat(mark: foreign | layout.deposit(UInt32(generation)))
        // A packet that others have marked is not asked about by lease, so its destination would be leased for nothing.
        case .lease(let generation):
            let bits = foreign == 0 ? layout.foreignBits : foreign
            return .repeat(mark: bits | layout.deposit(UInt32(generation)))
        case .reject: return .repeat(mark: foreign | reject)
        case .revoke: return .repeat(mark: foreign | denied)
        case .drop, .hold: return .drop
        }
    }
}
