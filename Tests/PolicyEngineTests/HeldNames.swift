import DomainNames
import NetworkTypes
import PolicyEngine

/// What one client has resolved one address as.
struct HeldNames: BindingLookup {
    struct Numbers: BoundNumbers {
        fileprivate var held: [PatternNumber]
        fileprivate var place = 0

        mutating func next() -> PatternNumber? {
            guard place < held.count else { return nil }
            place += 1
            return held[place - 1]
        }
    }

    private let client: EndpointID
    private let address: IPAddress
    private let held: [PatternNumber]

    init(_ policy: CompiledPolicy, client: EndpointID, _ address: IPAddress, _ names: [DomainName]) {
        self.client = client
        self.address = address
        var numbers: Set<PatternNumber> = names.isEmpty ? [] : [anyName]
        for name in names {
            var found: [PatternNumber] = []
            policy.appendPatterns(matching: name, to: &found)
            numbers.formUnion(found)
        }
        held = numbers.sorted()
    }

    func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> Numbers {
        Numbers(held: endpoint == client && address == self.address ? held : [])
    }
}
