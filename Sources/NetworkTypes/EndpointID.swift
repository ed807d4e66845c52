/// The number of an endpoint on this node: its slot in the endpoint registry, kept over restarts.
public struct EndpointID: RawRepresentable, Hashable, Sendable, BitwiseCopyable, Comparable {
    public let rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static func < (left: EndpointID, right: EndpointID) -> Bool { left.rawValue < right.rawValue }
}
