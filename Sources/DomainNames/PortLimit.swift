/// The one TCP port that a URL stands for.
public struct PortLimit: Hashable, Sendable, BitwiseCopyable {
    /// 1...65535, over TCP.
    public let port: UInt16

    public init(port: UInt16) { self.port = port }
}

extension PortLimit: CustomStringConvertible {
    public var description: String { "TCP \(port)" }
}
