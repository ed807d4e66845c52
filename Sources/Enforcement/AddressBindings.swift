import NetworkTypes
import PolicyEngine

/// The AddressTable at one moment, as policy asks it.
struct AddressBindings: BindingLookup {
    let table: AddressTable
    let now: Instant
    let liveness: AddressTable.Liveness

    func isBound(_ endpoint: EndpointID, to address: IPAddress, selector: SelectorNumber) -> Bool {
        table.isBound(endpoint, to: address, selector: selector, now: now, liveness: liveness)
    }
}
