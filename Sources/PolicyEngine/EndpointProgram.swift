import NetworkTypes

/// What a verdict thread needs of an endpoint: numbers, and where its program lies. Belongs to the `CompiledPolicy` that it came from,
/// which keeps that memory.
@safe
@frozen
public struct EndpointProgram: @unchecked Sendable, BitwiseCopyable {
    public let id: EndpointID
    /// The generation under which its flows are stamped.
    public internal(set) var generation: UInt16
    @usableFromInline let enforced: UnsafePointer<ProgramView>
    /// With the staged policies in force; nil if none bears on the endpoint.
    @usableFromInline let staged: UnsafePointer<ProgramView>?

    init(id: EndpointID, generation: UInt16, enforced: UnsafePointer<ProgramView>, staged: UnsafePointer<ProgramView>?) {
        self.id = id
        self.generation = generation
        unsafe self.enforced = enforced
        unsafe self.staged = staged
    }

    @inlinable
    public var hasStaged: Bool { unsafe staged != nil }
}
