/// Where a query came from and its answer goes.
enum QueryOrigin: BitwiseCopyable, Sendable {
    case datagram(listener: Int, ReturnPath)
    /// `generation` tells the connection from a later one in the same slot.
    case connection(slot: Int, generation: UInt32)
    /// Nobody asked: a name is resolved again for a client. Its answer is learned and goes nowhere.
    case redial(slot: Int)
}
