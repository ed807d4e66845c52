/// How much of others' DNS is remembered at once.
public struct SnoopLimits: Sendable, Hashable {
    /// Questions that wait for their answers, of all clients and of one.
    public var questionsMax = 65_536
    public var questionsPerClientMax = 4_096
    /// How long an answer may take.
    public var questionSeconds: UInt64 = 10
    /// Connections that are read, of all clients and of one.
    public var connectionsMax = 4_096
    public var connectionsPerClientMax = 128
    /// How long a connection may be silent, and how long one is remembered whose server has said all, where room is wanted.
    public var connectionSeconds: UInt64 = 120
    public var endedConnectionSeconds: UInt64 = 5
    /// Bytes of messages over TCP that have not come whole yet, of all clients and of one.
    public var bytesMax = 16 << 20
    public var bytesPerClientMax = 1 << 20

    public init() {}
}
