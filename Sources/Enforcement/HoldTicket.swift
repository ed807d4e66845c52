import NetworkTypes

/// Why a packet had better wait than be refused.
public struct HoldTicket: Sendable, Hashable, BitwiseCopyable {
    public let endpoint: EndpointID
    /// As it was before the decision.
    public let flights: QueryFlights.State
    /// Something was published since the batch began, perhaps what the packet wants: decide again before anything else.
    public let isStale: Bool
    /// The name to resolve again, if the packet may wait for that.
    public let redial: Redial?

    public init(endpoint: EndpointID, flights: QueryFlights.State, isStale: Bool, redial: Redial?) {
        self.endpoint = endpoint
        self.flights = flights
        self.isStale = isStale
        self.redial = redial
    }

    /// Whether there is anything to wait for, redial or not.
    public var awaitsAnswer: Bool { isStale || flights.inFlight > 0 }
}
