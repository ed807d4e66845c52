import DNSInterceptor
import Enforcement
import NetfilterQueue
import NetfilterTables
import NetworkTypes
import PolicyEngine

/// The queue of others' DNS, and what reads it.
public struct SnoopHandler: PacketHandler, ~Copyable {
    private var snoop: DNSSnoop
    private var gate: WorkerGate
    /// The table of names has a policy before it is published.
    private var policy: Published<CompiledPolicy>.Reader
    private let layout: MarkLayout
    private let isQuestion: UInt32
    private let reject: UInt32
    private var now = BootClock.now()

    init(snoop: consuming DNSSnoop, gate: consuming WorkerGate, policy: Published<CompiledPolicy>, layout: MarkLayout) {
        self.snoop = snoop
        self.gate = gate
        self.policy = Published.Reader(policy)
        self.layout = layout
        isQuestion = layout.deposit(layout.redecideOriginal)
        reject = layout.deposit(layout.reject)
    }

    public mutating func beginBatch() {
        now = BootClock.now()
        if policy.refresh() { gate.follow(policy.value) }
    }

    public mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict {
        let foreign = packet.mark & layout.foreignBits
        let verdict =
            // Beyond what a queue copies.
            payload.count != Int(packet.originalLength)
            ? snoop.unreadableAnswer()
            : packet.mark & layout.mask == isQuestion
                ? snoop.question(payload, isOfNode: packet.hook == Self.localOut, now: now, gate: &gate)
                : snoop.answer(payload, isForNode: packet.hook == Self.localIn, now: now, gate: &gate)
        switch verdict {
        case .pass: return .acceptOnce(mark: foreign)
        case .drop: return .drop
        case .refuse: return .repeat(mark: foreign | reject)
        }
    }

    /// `NF_INET_LOCAL_IN` and `NF_INET_LOCAL_OUT` of linux/netfilter.h.
    private static let localIn: UInt8 = 1
    private static let localOut: UInt8 = 3
}
