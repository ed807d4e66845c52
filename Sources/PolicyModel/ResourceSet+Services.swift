extension ResourceSet {
    /// With the servers of services in place of their names in `dnsTrustedServers`.
    public func withTrustedServersOfServices() -> ResourceSet {
        var result = self
        for index in result.felixConfigurations.indices {
            guard let texts = felixConfigurations[index].dnsTrustedServers, texts.contains(where: { $0.hasPrefix(ServiceReference.scheme) })
            else { continue }
            result.felixConfigurations[index].dnsTrustedServers = texts.flatMap { text in
                guard let service = ServiceReference(parsing: text) else { return [text] }
                return service.servers(in: serviceEndpoints).map { address, port in
                    address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
                }
            }
        }
        return result
    }
}
