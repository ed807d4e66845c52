import DomainNames
import NetworkTypes
import PolicyEngine

/// What one client has resolved one address as.
struct HeldNames: BindingLookup {
    private let client: EndpointID
    private let address: IPAddress
    private let selectors: Set<SelectorNumber>

    init(_ policy: CompiledPolicy, client: EndpointID, _ address: IPAddress, _ names: [DomainName]) {
        self.client = client
        self.address = address
        var numbers: [SelectorNumber] = []
        for name in names { policy.domains.appendNumbers(matching: name, to: &numbers) }
        selectors = names.isEmpty ? [] : Set(numbers).union([anyNameSelector])
    }

    func isBound(_ endpoint: EndpointID, to address: IPAddress, selector: SelectorNumber) -> Bool {
        endpoint == client && address == self.address && selectors.contains(selector)
    }
}
