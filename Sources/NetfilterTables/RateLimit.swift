/// A token bucket of the kernel (nft_limit): so many packets in a second, and so many at once after a pause.
public struct RateLimit: Sendable, Hashable {
    /// What every value may be: the kernel keeps the bucket's depth in nanoseconds of 64 bits.
    public static let range = 1...10_000_000

    public let packetsPerSecond: Int
    /// The depth of the bucket, in packets.
    public let burst: Int

    /// Values beyond `range` count as its ends.
    public init(packetsPerSecond: Int, burst: Int) {
        self.packetsPerSecond = min(max(packetsPerSecond, Self.range.lowerBound), Self.range.upperBound)
        self.burst = min(max(burst, Self.range.lowerBound), Self.range.upperBound)
    }
}
