/// What makes an address set of a rule's criteria; equal ones are one set.
enum AddressSetKind: Hashable, Sendable {
    /// Endpoints and network sets that the selector, in its canonical text, matches.
    case selector(String)
    /// Endpoints that the selector matches and that give a port this name, with that port of that protocol.
    case namedPort(String, UInt8, String)
    /// Addresses and ports of the slices of a service.
    case service(namespace: String, name: String)

    var text: String {
        switch self {
        case .selector(let text): "s \(text)"
        case .namedPort(let name, let transport, let text): "p \(name) \(transport) \(text)"
        case .service(let namespace, let name): "v \(namespace)/\(name)"
        }
    }
}
