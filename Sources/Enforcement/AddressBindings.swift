import NetworkTypes
import PolicyEngine

/// The AddressTable at one moment, as policy asks it.
struct AddressBindings: BindingLookup {
    let table: AddressTable
    let now: Instant
    let liveness: AddressTable.Liveness

    func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> AddressNumbers {
        table.numbers(endpoint, boundTo: address, now: now, liveness: liveness)
    }
}
