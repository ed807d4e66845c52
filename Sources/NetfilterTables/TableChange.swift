import NetworkTypes

/// A change of the table's sets. Each says what shall be, so repeating one does nothing.
public enum TableChange: Sendable, Hashable {
    case addKnown(KnownEndpoint)
    case removeKnown(KnownEndpoint)
    case addPoliced(IPAddress)
    case removePoliced(IPAddress)
    /// Replaces the generation of the address: every flow of it comes back to the queue once.
    case setCurrent(IPAddress, generation: UInt32)
    case removeCurrent(IPAddress)
    case addCapped(IPAddress)
    case removeCapped(IPAddress)
    case addClass(ClassGeneration)
    case removeClass(ClassGeneration)
    case addUpstream(IPAddress)
    case removeUpstream(IPAddress)
    case addTrusted(IPAddress)
    case removeTrusted(IPAddress)

    /// Whether flows of the address are decided anew by it.
    public var changesGeneration: Bool {
        switch self {
        case .setCurrent, .removeCurrent, .removePoliced, .removeClass: true
        case .addKnown, .removeKnown, .addPoliced, .addCapped, .removeCapped, .addClass, .addUpstream, .removeUpstream, .addTrusted,
            .removeTrusted:
            false
        }
    }

    /// The address, of an endpoint or a resolver, that is changed.
    public var address: IPAddress {
        switch self {
        case .addKnown(let endpoint), .removeKnown(let endpoint): endpoint.address
        case .addClass(let current), .removeClass(let current): current.address
        case .addPoliced(let address), .removePoliced(let address), .setCurrent(let address, _), .removeCurrent(let address),
            .addCapped(let address), .removeCapped(let address), .addUpstream(let address), .removeUpstream(let address),
            .addTrusted(let address), .removeTrusted(let address):
            address
        }
    }
}
