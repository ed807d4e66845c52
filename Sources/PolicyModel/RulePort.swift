import NetworkTypes

/// One entry of `ports` or `notPorts`.
public enum RulePort: Sendable, Hashable {
    case range(PortRange)
    /// A port that endpoints name (`WorkloadEndpoint.ports`): it matches the pair of such an endpoint's address and that port.
    case named(String)

    /// Whether it is the name of a port.
    public var isNamed: Bool {
        if case .named = self { return true }
        return false
    }
}

extension RulePort: CustomStringConvertible {
    /// `443`, `8000:9000` or the name.
    public var description: String {
        switch self {
        case .range(let range): range.description
        case .named(let name): name
        }
    }
}
