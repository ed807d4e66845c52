extension ResourceSet {
    /// What counts on a node of that name: each field of the FelixConfiguration `node.NAME`, else of `default`; of others nothing. Nil: `default` alone.
    public func felix(ofNode node: String?) -> FelixConfiguration {
        var result = FelixConfiguration()
        for name in ["default", node.map { "node.\($0)" }].compactMap({ $0 }) {
            guard let felix = felixConfigurations.first(where: { $0.name == name }) else { continue }
            result.defaultEndpointToHostAction = felix.defaultEndpointToHostAction ?? result.defaultEndpointToHostAction
            result.filterDenyAction = felix.filterDenyAction ?? result.filterDenyAction
            result.dnsExtraTTLSeconds = felix.dnsExtraTTLSeconds ?? result.dnsExtraTTLSeconds
            result.failsafeInboundHostPorts = felix.failsafeInboundHostPorts ?? result.failsafeInboundHostPorts
            result.failsafeOutboundHostPorts = felix.failsafeOutboundHostPorts ?? result.failsafeOutboundHostPorts
            result.vxlanPort = felix.vxlanPort ?? result.vxlanPort
            result.dnsTrustedServers = felix.dnsTrustedServers ?? result.dnsTrustedServers
        }
        return result
    }
}
