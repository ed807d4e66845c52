/// How much of others' DNS is remembered at once.
public struct SnoopLimits: Sendable, Hashable {
    /// Questions over UDP that wait for their answers, of all clients and of one.
    public var questionsMax = 65_536
    public var questionsPerClientMax = 4_096
    /// How long an answer may take.
    public var questionSeconds: UInt64 = 10
    /// Connections whose answers are read, of all clients and of one.
    public var streamsMax = 4_096
    public var streamsPerClientMax = 128
    /// How long a connection may be silent, where room is wanted.
    public var streamSeconds: UInt64 = 120
    /// Bytes of answers over TCP that have not come whole yet.
    public var streamBytesMax = 16 << 20

    public init() {}
}
