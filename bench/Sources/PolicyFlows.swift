import DomainNames
import NetworkTypes
import PolicyEngine

/// Flows of the endpoints of a workload, and the names under which they hold their destinations: a third each to a name, to a network and
/// to nowhere that policy knows.
struct PolicyFlows: BindingLookup {
    struct Numbers: BoundNumbers {
        fileprivate let number: PatternNumber
        fileprivate var state: UInt8

        mutating func next() -> PatternNumber? {
            switch state {
            case 0:
                state = number == anyName ? 2 : 1
                return anyName
            case 1:
                state = 2
                return number
            default: return nil
            }
        }
    }

    static let count = 4_096
    private static let firstDestination: UInt32 = 0xc612_0000

    private(set) var flows: [(endpoint: Int, flow: FlowTuple)] = []
    /// By flow; "any name" for those that hold no name.
    private var numbers: [PatternNumber] = []

    init(_ policy: CompiledPolicy, _ workload: PolicyWorkload) throws {
        var random = SystemRandomNumberGenerator()
        for place in 0..<Self.count {
            let chosen = Int.random(in: 0..<workload.policyCount, using: &random)
            let endpoint = workload.endpoint(of: chosen, using: &random)
            let source = policy.endpoints[endpoint].addresses[0]
            var destination = IPAddress(v4: Self.firstDestination + UInt32(place))
            var number = anyName
            var (transport, port) = (TransportProtocol.tcp, UInt16(443))
            switch place % 3 {
            case 0:
                var found: [PatternNumber] = []
                policy.appendPatterns(matching: try DomainName(parsing: "n0.p\(chosen).example.org"), to: &found)
                guard let first = found.first else { throw BenchError("a name has no pattern") }
                number = first
            case 1:
                destination = IPAddress(v4: PolicyWorkload.netOf(chosen) + UInt32.random(in: 0..<16, using: &random))
                (transport, port) = (.udp, UInt16(1_000 + chosen % 50))
            default: port = UInt16.random(in: 1...65_535, using: &random)
            }
            flows.append(
                (
                    endpoint,
                    FlowTuple(
                        source: source, destination: destination, transport: transport, sourcePort: 40_000, destinationPort: port)
                ))
            numbers.append(number)
        }
    }

    func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> Numbers {
        let place = Int(truncatingIfNeeded: address.lower) - Int(Self.firstDestination)
        guard place >= 0, place < numbers.count, numbers[place] != anyName else { return Numbers(number: anyName, state: 2) }
        return Numbers(number: numbers[place], state: 0)
    }

    /// Decides every flow; how many were allowed.
    func decide(_ policy: CompiledPolicy) -> Int {
        var allowed = 0
        for place in flows.indices {
            if policy.evaluate(endpoint: flows[place].endpoint, flows[place].flow, bindings: self).isAllowed { allowed += 1 }
        }
        return allowed
    }
}
