import NetworkTypes
import PolicyEngine

/// The numbers under which one endpoint holds one address.
struct HeldNumbers: BindingLookup {
    struct Numbers: BoundNumbers {
        var rest: ArraySlice<PatternNumber>
        mutating func next() -> PatternNumber? { rest.popFirst() }
    }

    let endpoint: EndpointID
    let address: IPAddress
    let numbers: [PatternNumber]

    func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> Numbers {
        Numbers(rest: endpoint == self.endpoint && address == self.address ? numbers[...] : [])
    }
}
