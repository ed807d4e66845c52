import NetworkTypes

/// Answers under which pattern numbers an endpoint holds an address.
///
/// The verdict threads ask the AddressTable; `explain` and the reference model ask plain sets.
public protocol BindingLookup: ~Copyable {
    associatedtype Numbers: BoundNumbers

    /// The numbers of live bindings, `anyName` among them if the endpoint holds the address at all. Asked several times in one decision;
    /// the order should be the same each time.
    func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> Numbers
}
