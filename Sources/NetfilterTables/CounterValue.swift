/// What a named counter has counted since the table was made.
public struct CounterValue: Sendable, Hashable {
    public let reason: String
    public let packets: UInt64
    public let bytes: UInt64
}
