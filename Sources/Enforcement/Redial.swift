import NetworkTypes

/// That a client has dialled an address whose binding ended a moment ago: its name is to be resolved once more on the client's behalf. From a
/// verdict thread to the DNS worker.
public struct Redial: Sendable, Hashable, BitwiseCopyable {
    public let endpoint: EndpointID
    /// From which the endpoint asks.
    public let source: IPAddress
    public let address: IPAddress
    /// Where the NameTable has the binding that ended.
    public let record: Int32

    public init(endpoint: EndpointID, source: IPAddress, address: IPAddress, record: Int32) {
        self.endpoint = endpoint
        self.source = source
        self.address = address
        self.record = record
    }

    static let filler = Redial(endpoint: EndpointID(rawValue: 0), source: IPAddress(v4: 0), address: IPAddress(v4: 0), record: -1)
}
