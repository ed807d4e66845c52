/// The verdict of a packet that was held.
public struct PacketRelease: BitwiseCopyable, Sendable, Hashable {
    /// `QueuedPacket.id`.
    public let id: UInt32
    public let verdict: PacketVerdict

    @inlinable
    public init(id: UInt32, _ verdict: PacketVerdict) {
        self.id = id
        self.verdict = verdict
    }
}
