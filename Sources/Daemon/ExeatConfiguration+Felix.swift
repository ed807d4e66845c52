import Enforcement
import PolicyModel

/// What a FelixConfiguration says, where this node's own configuration says nothing.
extension ExeatConfiguration {
    /// The one that counts for a node: each field of `node.NAME`, else of `default`.
    static func felix(_ resources: ResourceSet, node: String?) -> FelixConfiguration {
        var result = FelixConfiguration()
        let own = node.map { "node.\($0)" }
        for name in ["default", own].compactMap({ $0 }) {
            guard let felix = resources.felixConfigurations.first(where: { $0.name == name }) else { continue }
            result.defaultEndpointToHostAction = felix.defaultEndpointToHostAction ?? result.defaultEndpointToHostAction
            result.filterDenyAction = felix.filterDenyAction ?? result.filterDenyAction
            result.dnsExtraTTLSeconds = felix.dnsExtraTTLSeconds ?? result.dnsExtraTTLSeconds
            result.failsafeInboundHostPorts = felix.failsafeInboundHostPorts ?? result.failsafeInboundHostPorts
            result.vxlanPort = felix.vxlanPort ?? result.vxlanPort
        }
        return result
    }

    /// Takes over how denials are sent and how long bindings outlive their TTL; both are settled when the daemon starts.
    mutating func adopt(_ felix: FelixConfiguration) {
        if !given.contains("denyAction"), let action = felix.filterDenyAction { denyAction = action == .drop ? .drop : .reject }
        if !given.contains("bindings.graceSeconds"), let seconds = felix.dnsExtraTTLSeconds { bindings.graceSeconds = min(seconds, 3_600) }
    }
}
