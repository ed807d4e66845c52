/// How often each event has happened.
public struct SimulationCoverage: Sendable, Hashable {
    private var counts = [Int](repeating: 0, count: SimulationEvent.allCases.count)

    public init() {}

    public subscript(_ event: SimulationEvent) -> Int { counts[event.rawValue] }

    mutating func note(_ event: SimulationEvent, _ count: Int = 1) { counts[event.rawValue] += count }

    public mutating func add(_ other: SimulationCoverage) {
        for (index, count) in other.counts.enumerated() { counts[index] += count }
    }
}
