/// A closed range of transport ports, 0...65535.
public struct PortRange: Hashable, Sendable, BitwiseCopyable {
    public let lower: UInt16
    public let upper: UInt16

    /// Nil if `lower` is greater than `upper`.
    @inlinable
    public init?(_ lower: UInt16, _ upper: UInt16) {
        guard lower <= upper else { return nil }
        self.lower = lower
        self.upper = upper
    }

    @inlinable
    public init(_ port: UInt16) {
        lower = port
        upper = port
    }

    @inlinable
    public func contains(_ port: UInt16) -> Bool { lower <= port && port <= upper }
}

extension PortRange: CustomStringConvertible {
    /// `443` or `8000:9000`, Calico's notation.
    public var description: String { lower == upper ? "\(lower)" : "\(lower):\(upper)" }
}
