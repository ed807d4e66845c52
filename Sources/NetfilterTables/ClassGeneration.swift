import NetworkTypes

/// The generation under which flows of a class of processes are decided, at one address of the node. It tells the class as well
/// (`MarkLayout.generations(ofClass:)`).
public struct ClassGeneration: Hashable, Sendable {
    public let address: IPAddress
    public let generation: UInt32

    public init(address: IPAddress, generation: UInt32) {
        self.address = address
        self.generation = generation
    }
}
