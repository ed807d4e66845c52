import NetworkTypes

/// What a verdict thread needs of an endpoint: numbers only.
@frozen
public struct EndpointProgram: Sendable, BitwiseCopyable {
    public let id: EndpointID
    /// The generation under which its flows are stamped.
    public let generation: UInt16
    @usableFromInline let isPoliced: Bool
    @usableFromInline let firstStep: Int
    @usableFromInline let stepCount: Int
}
