import Daemon
import NetfilterQueue

/// The verdict handler with a clock around each batch: all that is done in user space between receiving and sending, with the decoding
/// of messages and the writing of verdicts. Two reads of the clock for up to 64 packets.
struct TimedHandler: PacketHandler, ~Copyable {
    private var handler: VerdictHandler
    private var start: UInt64 = 0
    /// Of all batches. An interruption counts too, so it is an upper bound.
    private(set) var nanoseconds: UInt64 = 0

    init(_ handler: consuming VerdictHandler) { self.handler = handler }

    mutating func beginBatch() {
        start = BootClock.now().nanoseconds
        handler.beginBatch()
    }

    mutating func prefetch(_ packet: QueuedPacket, payload: Span<UInt8>) { handler.prefetch(packet, payload: payload) }

    mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict { handler.decide(packet, payload: payload) }

    mutating func nextRelease() -> PacketRelease? {
        let now = BootClock.now().nanoseconds
        nanoseconds += now - start
        start = now
        return handler.nextRelease()
    }
}
