import NetworkTypes
import PolicyModel

/// What is known of an endpoint whatever policy says; shared by all versions of policy.
final class EndpointInfo: Sendable {
    let identity: String
    let namespace: String
    let name: String
    let labels: [String: String]
    /// With what it inherits from namespace, service account and profiles.
    let effectiveLabels: [String: String]
    let addresses: [IPAddress]
    let interfaceName: String
    let isHost: Bool
    let ports: [NamedPort]
    let profiles: [String]
    /// Of a host endpoint that stands for processes.
    let processes: ProcessClass?

    init(_ endpoint: WorkloadEndpoint, _ context: LabelContext) {
        identity = endpoint.identity
        namespace = endpoint.namespace
        name = endpoint.name
        labels = endpoint.labels
        effectiveLabels = context.labels(of: endpoint)
        addresses = endpoint.addresses
        interfaceName = endpoint.interfaceName
        isHost = false
        ports = endpoint.ports
        profiles = endpoint.profiles
        processes = nil
    }

    init(_ endpoint: HostEndpoint, _ context: LabelContext) {
        identity = endpoint.identity
        namespace = ""
        name = endpoint.name
        labels = endpoint.labels
        effectiveLabels = context.labels(of: endpoint)
        addresses = endpoint.expectedIPs
        interfaceName = endpoint.interfaceName ?? ""
        isHost = true
        ports = endpoint.ports
        profiles = endpoint.profiles
        processes = endpoint.processes
    }
}
