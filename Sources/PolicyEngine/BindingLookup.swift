import NetworkTypes

/// Answers whether an endpoint holds an address under a name of a selector number.
///
/// The verdict threads ask the AddressTable; `explain` and the reference model ask plain sets.
public protocol BindingLookup: ~Copyable {
    func isBound(_ endpoint: EndpointID, to address: IPAddress, selector: SelectorNumber) -> Bool
}
