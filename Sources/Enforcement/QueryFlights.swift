import NetworkTypes
import Synchronization

/// How many of each endpoint's queries are in flight, and how often something was published for it: what a packet that waits for an answer
/// has to know.
///
/// One word for each endpoint number, `[changes 32][in flight 32]`; numbers beyond the size share words, so that a packet may wait for
/// somebody else's answer, within its bound, and nothing more. DNS workers and, for redials, the verdict threads write; whoever wants reads.
/// No locks. Changes are counted on from 0 when their number is over. A change is stored after what it tells of was published, and read before that is looked up: who has seen the change sees the
/// binding.
@safe
public final class QueryFlights: @unchecked Sendable {
    public struct State: Sendable, Hashable, BitwiseCopyable {
        public let inFlight: UInt32
        public let changes: UInt32
    }

    private static let oneChange: UInt64 = 1 << 32

    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let mask: Int
    private let total = Atomic<UInt64>(0)

    /// For endpoint numbers below `endpointsMax`, rounded up to a power of two.
    public convenience init(endpointsMax: Int) { self.init(endpointsMax: endpointsMax, changes: 0) }

    /// As after so many changes of each endpoint.
    package init(endpointsMax: Int, changes: UInt32) {
        var count = 1
        while count < endpointsMax { count *= 2 }
        mask = count - 1
        unsafe words = .allocate(capacity: count)
        for index in 0..<count { unsafe (words + index).initialize(to: Atomic(UInt64(changes) << 32)) }
    }

    deinit {
        unsafe words.deinitialize(count: mask + 1)
        unsafe words.deallocate()
    }

    // MARK: Who asks

    public func begin(_ endpoint: EndpointID) { unsafe words[place(endpoint)].add(1, ordering: .relaxed) }

    /// One that was begun and never asked.
    public func cancel(_ endpoint: EndpointID) { unsafe words[place(endpoint)].subtract(1, ordering: .relaxed) }

    /// The query was answered, in whatever way; what it taught is published.
    public func end(_ endpoint: EndpointID) {
        unsafe words[place(endpoint)].wrappingAdd(Self.oneChange &- 1, ordering: .releasing)
        total.add(1, ordering: .releasing)
    }

    /// Something was published for the endpoint. Nobody waits for it who has nothing in flight.
    public func noteAnswer(_ endpoint: EndpointID) {
        guard state(of: endpoint).inFlight > 0 else { return }
        unsafe words[place(endpoint)].wrappingAdd(Self.oneChange, ordering: .releasing)
        total.add(1, ordering: .releasing)
    }

    // MARK: Who waits

    public func state(of endpoint: EndpointID) -> State {
        let word = unsafe words[place(endpoint)].load(ordering: .acquiring)
        return State(inFlight: UInt32(truncatingIfNeeded: word), changes: UInt32(truncatingIfNeeded: word >> 32))
    }

    /// Changes of all endpoints.
    public var changes: UInt64 { total.load(ordering: .acquiring) }

    private func place(_ endpoint: EndpointID) -> Int { Int(endpoint.rawValue) & mask }
}
