import CLinux
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
    private let pending: UInt32
    private let checkedQUIC: UInt32
    private let untracked: UInt32
    private let foreignBitsLessOne: UInt32
    private let observedBits: UInt32
    private let observedLeaseBits: UInt32
    /// Where the decisions of this batch will look, as addresses in memory; 0 for nowhere. The first `ahead` of them are to be fetched.
    private var places = InlineArray<64, UInt>(repeating: 0)
    private var ahead = 0
    /// 0 without room for classes.
    private let classMask: UInt32

    public init(engine: consuming VerdictEngine, layout: MarkLayout, hold: consuming PacketHold = PacketHold()) {
        self.engine = engine
        self.hold = hold
        self.layout = layout
        newReply = layout.deposit(layout.newReply)
        redecideReply = layout.deposit(layout.redecideReply)
        redecideOriginal = layout.deposit(layout.redecideOriginal)
        reject = layout.deposit(layout.reject)
        denied = layout.deposit(layout.denied)
        classMask = layout.classesMax > 0 ? layout.classMask : 0
        pending = layout.deposit(layout.pending)
        checkedQUIC = layout.deposit(layout.checkedQUIC)
        untracked = layout.deposit(layout.hello)
        foreignBitsLessOne = layout.foreignBits & (layout.foreignBits &- 1)
        observedBits = layout.observedBits
        observedLeaseBits = layout.observedLeaseBits
    }

    public mutating func beginBatch() {
        engine.beginBatch(now: BootClock.now())
        ahead = 0
    }

    public mutating func prefetch(_ packet: QueuedPacket, payload: Span<UInt8>) {
        guard ahead < places.count else { return }
        let question = packet.mark & layout.mask
        let place = unsafe engine.firstPlace(of: payload, isReply: question == newReply || question == redecideReply)
        places[ahead] = unsafe place.map { UInt(bitPattern: $0) } ?? 0
        ahead += 1
    }

    /// All at once, so that the processor walks through the page tables for several of them at a time.
    private mutating func fetch() {
        for index in 0..<ahead {
            unsafe exeat_prefetch_lines(UnsafeRawPointer(bitPattern: places[index]))
            unsafe exeat_prefetch_lines_to_write(engine.factPlace(ahead: index))
        }
        ahead = 0
    }

    private func state(_ question: UInt32) -> VerdictEngine.FlowState {
        // 15 in these bits: one of the special codes.
        if question & classMask != 0, question & classMask != classMask {
            let code = layout.extract(question)
            let kind = code & 3
            return VerdictEngine.FlowState(
                isReply: kind == 2, wasAdmitted: kind != 0, classNumber: UInt8(truncatingIfNeeded: code >> layout.classShift))
        }
        return VerdictEngine.FlowState(
            isReply: question == newReply || question == redecideReply,
            wasAdmitted: question == redecideReply || question == redecideOriginal, isUntracked: question == untracked)
    }

    public mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict {
        if ahead > 0 { fetch() }
        let question = packet.mark & layout.mask
        let state = self.state(question)
        // These would ask for a lease, or that the flow's name be looked at: a packet that came so loses a bit.
        let foreign = packet.mark & (layout.isSignal(packet.mark) ? foreignBitsLessOne : layout.foreignBits)
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
        case .pending: return .repeat(mark: foreign | pending)
        // The bits of others would be lost.
        case .observe(let generation, let isLeased):
            guard foreign == 0, generation != 0 else { return .repeat(mark: foreign | pending) }
            return .repeat(mark: (isLeased ? observedLeaseBits : observedBits) | layout.deposit(UInt32(generation)))
        case .checked: return .repeat(mark: foreign | checkedQUIC)
        case .reject: return .repeat(mark: foreign | reject)
        case .revoke: return .repeat(mark: foreign | denied)
        case .drop, .hold: return .drop
        }
    }
}
