/// What verdict threads and DNS worker share so that packets can wait for answers: the queries in flight, and the redials that the verdict
/// threads ask for, each in a ring of its own.
public final class HoldLink: Sendable {
    /// Redials of one verdict thread that the worker has not taken yet; with a full ring the packet is refused.
    public static let redialsMax = 256

    public let flights: QueryFlights
    public let redials: [Ring<Redial>]
    private let outcomes = CounterArray(count: RedialOutcome.allCases.count)

    public init(endpointsMax: Int, threads: Int) {
        flights = QueryFlights(endpointsMax: endpointsMax)
        redials = (0..<threads).map { _ in Ring(capacity: Self.redialsMax, filler: .filler) }
    }

    /// By the one DNS worker that takes redials.
    public func note(_ outcome: RedialOutcome) { outcomes.increment(outcome.rawValue) }

    public func count(of outcome: RedialOutcome) -> UInt64 { outcomes[outcome.rawValue] }
}
