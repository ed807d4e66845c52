import NetworkTypes

/// Under which patterns an endpoint holds one address, as far as they match one name. Made by `CompiledPolicy.seenNameBindings`.
public struct SeenNameBindings: BindingLookup, Sendable {
    public struct Numbers: BoundNumbers {
        let numbers: [PatternNumber]
        var place = 0

        public mutating func next() -> PatternNumber? {
            guard place < numbers.count else { return nil }
            defer { place += 1 }
            return numbers[place]
        }
    }

    let endpoint: EndpointID
    let address: IPAddress
    let numbers: [PatternNumber]

    /// No pattern of the policy that matches the name is held.
    public var isEmpty: Bool { !numbers.contains { $0 != anyName } }

    public func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> Numbers {
        Numbers(numbers: endpoint == self.endpoint && address == self.address ? numbers : [])
    }
}
