/// What becomes of a queued packet.
public struct PacketVerdict: BitwiseCopyable, Sendable, Hashable {
    /// `NF_DROP` (0), `NF_ACCEPT` (1), `NF_REPEAT` (4) of linux/netfilter.h.
    public let code: UInt32
    /// The whole packet mark (`NFQA_MARK`), when `setsMark`.
    public let mark: UInt32
    public let setsMark: Bool

    @inlinable
    init(code: UInt32, mark: UInt32, setsMark: Bool) {
        self.code = code
        self.mark = mark
        self.setsMark = setsMark
    }

    /// Nothing is sent back.
    @inlinable public static var drop: PacketVerdict { PacketVerdict(code: 0, mark: 0, setsMark: false) }

    /// The packet enters the chain that queued it again, with this mark, which the table's rules turn into an acceptance under a
    /// generation or into a rejection. The mark replaces the whole packet mark: take `QueuedPacket.mark` and replace our bits.
    @inlinable
    public static func `repeat`(mark: UInt32) -> PacketVerdict { PacketVerdict(code: 4, mark: mark, setsMark: true) }

    /// No verdict yet: the packet stays in the queue until the handler releases it, or its time is over (`QueueOptions.holdMilliseconds`), when it is
    /// dropped. Where `QueueOptions.heldMax` packets wait already it is dropped at once.
    @inlinable public static var hold: PacketVerdict { PacketVerdict(code: .max, mark: 0, setsMark: false) }

    /// As `acceptOnce`, with this packet mark: for a packet that bears a question in it.
    @inlinable
    public static func acceptOnce(mark: UInt32) -> PacketVerdict { PacketVerdict(code: 1, mark: mark, setsMark: true) }

    /// The packet goes on behind the chain that queued it, unseen by the table's rules: nothing remembers the decision.
    @inlinable public static var acceptOnce: PacketVerdict { PacketVerdict(code: 1, mark: 0, setsMark: false) }
}
