import Enforcement
import NetfilterQueue
import NetfilterTables
import NetworkTypes

/// One queue of packets whose flows are to give a name, and the engine that decides them.
public struct HelloHandler: PacketHandler, ~Copyable {
    private static let foreignMarksMax = 8_192

    private var engine: HelloEngine
    private let layout: MarkLayout
    private let newReply: UInt32
    private let checked: UInt32
    /// Of packets that wait, where others have set bits.
    private var foreignMarks: [UInt32: UInt32] = [:]

    public init(engine: consuming HelloEngine, layout: MarkLayout) {
        self.engine = engine
        self.layout = layout
        newReply = layout.deposit(layout.newReply)
        checked = layout.deposit(layout.redecideOriginal)
    }

    public mutating func beginBatch() { engine.beginBatch(now: BootClock.now()) }

    public mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict {
        let foreign = packet.mark & layout.foreignBits
        let verdict = engine.decide(
            payload, packet: packet.id, isReply: packet.mark & layout.mask == newReply, isChecked: packet.mark & layout.mask == checked,
            isAggregate: packet.isAggregate)
        if verdict == .hold, foreign != 0, foreignMarks.count < Self.foreignMarksMax { foreignMarks[packet.id] = foreign }
        return self.verdict(verdict, foreign)
    }

    public mutating func nextRelease() -> PacketRelease? {
        guard let release = engine.nextRelease() else { return nil }
        return PacketRelease(id: release.packet, verdict(release.verdict, foreignMarks.removeValue(forKey: release.packet) ?? 0))
    }

    private func verdict(_ verdict: HelloVerdict, _ foreign: UInt32) -> PacketVerdict {
        switch verdict {
        case .leave, .allow(0): .acceptOnce(mark: foreign)
        case .allow(let generation): .repeat(mark: stampable(foreign) | layout.deposit(UInt32(generation)))
        case .allowDatagrams: .repeat(mark: stampable(foreign) | layout.deposit(layout.checkedQUIC))
        case .revoke: .repeat(mark: foreign | layout.deposit(layout.denied))
        case .drop: .drop
        case .hold: .hold
        }
    }

    /// These would ask for a lease, or that the flow's name be looked at: a packet that came so loses a bit.
    private func stampable(_ foreign: UInt32) -> UInt32 {
        layout.isSignal(foreign) ? foreign & (foreign &- 1) : foreign
    }
}
