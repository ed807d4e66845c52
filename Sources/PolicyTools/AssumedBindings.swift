import NetworkTypes
import PolicyEngine

/// Bindings as they would be if an endpoint had resolved one address, and none other, under certain names.
struct AssumedBindings: BindingLookup {
    struct Numbers: BoundNumbers {
        private let all: [PatternNumber]
        private var place = 0

        init(_ all: [PatternNumber]) { self.all = all }

        mutating func next() -> PatternNumber? {
            guard place < all.count else { return nil }
            defer { place += 1 }
            return all[place]
        }
    }

    let address: IPAddress?
    /// With `anyName` if the address is held at all.
    let patterns: [PatternNumber]

    static let none = AssumedBindings(address: nil, patterns: [])

    func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> Numbers { Numbers(address == self.address ? patterns : []) }
}
