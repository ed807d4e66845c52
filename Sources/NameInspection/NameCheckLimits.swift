/// Bounds of the name check. What happens when one is reached stands with each.
public struct NameCheckLimits: Hashable, Sendable {
    /// Bytes of one flow that are put together; a name that is not complete by then is `tooLarge`.
    public var bytesPerFlow = 16_384
    /// Pieces with gaps between them; more are `tooManyPieces`. Browsers cut the hello of QUIC into a dozen for each datagram and mix them.
    public var piecesPerFlow = 48
    /// Segments with data before the name is complete; more are `tooManyPieces`.
    public var segmentsPerFlow = 256
    /// Initial packets in one datagram or burst of datagrams; more are `tooManyPieces`. A burst of 64 KiB has 54 that fill 1,200 bytes each.
    public var initialsPerPayload = 64
    /// QUIC connections in one flow, until they have been silent for `settledDatagramSeconds`: another one begins after a Retry, and whenever a client that
    /// has one socket for all tries again. More are `tooManyQUICConnections`.
    public var connectionsPerFlow = 8
    /// Packets that wait; more are `tooManyWaiting`.
    public var packetsPerFlow = 64
    public var packetsPerClient = 512
    public var packets = 4_096
    /// Bytes of one client that are put together; more are `tooManyWaiting`. Those of decided QUIC flows count as well, which then are forgotten first.
    public var bytesPerClient = 2 << 20
    /// Flows of one client. For one more, the one that was decided first is forgotten; if none is decided, the first one without data, once it is
    /// `unansweredSeconds` old; if there is none, it is not opened.
    public var flowsPerClient = 4_096
    /// Flows of all. For one more, one of the client that has most is forgotten, if this one has less than half as many.
    public var flows = 32_768
    /// From the first packet that waits to the decision; then it is `timeout`.
    public var waitingSeconds: UInt64 = 5
    /// How long a connection without data is remembered.
    public var openSeconds: UInt64 = 600
    /// How long a SYN may go unanswered before another one of the same flow is believed; below `openSeconds`. Both ends give up sooner.
    public var unansweredSeconds: UInt64 = 120
    /// How long the decision on a TCP flow is remembered, for packets that are in the queue when it falls.
    public var settledStreamSeconds: UInt64 = 1
    /// How long keys and decision of a QUIC flow are remembered after its last packet with a long header.
    public var settledDatagramSeconds: UInt64 = 30

    public init() {}
}
