import NetworkTypes

/// A workload's address and the interface that it must come from.
public struct KnownEndpoint: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The node's side of the workload's veth pair.
    public let interface: String
    public let address: IPAddress

    public init(interface: String, address: IPAddress) {
        self.interface = interface
        self.address = address
    }

    public static func < (left: KnownEndpoint, right: KnownEndpoint) -> Bool {
        (left.interface, left.address) < (right.interface, right.address)
    }

    public var description: String { "\(interface) \(address)" }
}
