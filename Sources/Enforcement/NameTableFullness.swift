/// Which limit kept an answer from being learned.
public enum NameTableFullness: UInt8, Error, Sendable, CaseIterable {
    case addressesPerName
    case namesPerClient
    case bindingsPerClient
    case bindings
    case unknownClient

    /// snake_case, for metrics.
    public var label: String {
        switch self {
        case .addressesPerName: "addresses_per_name"
        case .namesPerClient: "names_per_client"
        case .bindingsPerClient: "bindings_per_client"
        case .bindings: "bindings"
        case .unknownClient: "unknown_client"
        }
    }
}
