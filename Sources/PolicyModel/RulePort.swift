import NetworkTypes

/// One entry of `ports` or `notPorts`.
public enum RulePort: Sendable, Hashable {
    case range(PortRange)
    /// A port that endpoints name (`WorkloadEndpoint.ports`): it matches the pair of such an endpoint's address and that port.
    case named(String)
}
