/// Decides packets. `QueueSocket.serve` is specialised for the handler's type, so nothing is allocated or looked up per packet.
public protocol PacketHandler: ~Copyable {
    /// Called before the packets of one receive call, and now and then while packets are held: the place for one clock read and one load of
    /// what is published.
    mutating func beginBatch()
    /// Called for every packet of a batch before any of them is decided, with the bytes that `decide` gets: the place to have memory
    /// brought that the decision will read.
    mutating func prefetch(_ packet: QueuedPacket, payload: Span<UInt8>)
    /// Called once for each packet. The bytes are those of the packet from its IP header on, cut to the copy range.
    mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict
    /// Called after each batch until it gives nil: the verdicts of packets that were held.
    mutating func nextRelease() -> PacketRelease?
}

extension PacketHandler where Self: ~Copyable {
    @inlinable
    public mutating func nextRelease() -> PacketRelease? { nil }

    @inlinable
    public mutating func prefetch(_ packet: QueuedPacket, payload: Span<UInt8>) {}
}
