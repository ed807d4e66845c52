import NetworkTypes

/// How many flows each endpoint has, and which endpoints have as many as they may.
///
/// An endpoint is capped when it has passed `limit`, and is so until it has fallen below nine tenths of it: else its address would go in and out of
/// the kernel's set with every flow that ends. Counted is what connection tracking holds, a closed TCP connection as long as it is kept there.
///
/// Flows for which the FlowTable had no room are counted too, by the walk over connection tracking that has shown them and by the events since.
/// A value of one owner; bounded by the number of endpoints.
public struct ConnectionCap: Sendable {
    /// 0: none is ever capped.
    public let limit: Int
    public private(set) var capped: Set<EndpointID> = []
    /// How often an endpoint was capped.
    public private(set) var cappings: UInt64 = 0
    private var counts: [EndpointID: Int] = [:]
    /// Beyond the table, as of now and as the walk that runs has shown so far.
    private var beyond: [EndpointID: Int] = [:]
    private var beyondNow: [EndpointID: Int] = [:]

    public init(limit: Int) { self.limit = limit }

    /// Below this an endpoint is capped no more.
    public var release: Int { limit - limit / 10 }

    public func count(of endpoint: EndpointID) -> Int { counts[endpoint, default: 0] + beyond[endpoint, default: 0] }

    mutating func add(_ endpoint: EndpointID) {
        counts[endpoint, default: 0] += 1
        judge(endpoint)
    }

    mutating func remove(_ endpoint: EndpointID) {
        Self.decrement(&counts, endpoint)
        judge(endpoint)
    }

    /// A flow that found no room.
    mutating func addBeyond(_ endpoint: EndpointID) {
        beyond[endpoint, default: 0] += 1
        beyondNow[endpoint, default: 0] += 1
        judge(endpoint)
    }

    /// The end of a flow of which the table does not know.
    mutating func removeBeyond(_ endpoint: EndpointID) {
        Self.decrement(&beyond, endpoint)
        Self.decrement(&beyondNow, endpoint)
        judge(endpoint)
    }

    /// A walk over connection tracking begins.
    mutating func sweepBegan() { beyondNow = [:] }

    /// It has shown everything.
    mutating func sweepEnded() {
        let seen = Set(beyond.keys).union(beyondNow.keys)
        beyond = beyondNow
        for endpoint in seen { judge(endpoint) }
    }

    private static func decrement(_ counts: inout [EndpointID: Int], _ endpoint: EndpointID) {
        guard let count = counts[endpoint] else { return }
        counts[endpoint] = count > 1 ? count - 1 : nil
    }

    private mutating func judge(_ endpoint: EndpointID) {
        guard limit > 0 else { return }
        let count = count(of: endpoint)
        if count > limit {
            if capped.insert(endpoint).inserted { cappings += 1 }
        } else if count < release {
            capped.remove(endpoint)
        }
    }
}
