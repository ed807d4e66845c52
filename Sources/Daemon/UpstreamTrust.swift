import DNSInterceptor

/// Whom each upstream is checked against: its file of certificate authorities, or the system's, which are read once, at the start.
struct UpstreamTrust {
    private let authorities: AuthorityFiles
    private var system: TLSTrust?
    private var none: TLSTrust?

    init(_ authorities: AuthorityFiles) { self.authorities = authorities }

    private mutating func identity(_ tls: ExeatConfiguration.TLS) throws(DaemonError) -> UpstreamTLS {
        UpstreamTLS(name: tls.name, pins: tls.pins, trust: try trust(tls))
    }

    private mutating func trust(_ tls: ExeatConfiguration.TLS) throws(DaemonError) -> TLSTrust {
        if let file = tls.authorityFile, let trust = authorities.trust(file) { return trust }
        if let known = tls.name == nil ? none : system { return known }
        do throws(TLSTrust.Failure) {
            let made = tls.name == nil ? try TLSTrust(file: nil) : try TLSTrust.system()
            if tls.name == nil { none = made } else { system = made }
            return made
        } catch {
            throw DaemonError("\(error)", hint: "install ca-certificates, or name a file in tls.caFile of the upstream")
        }
    }

    /// As the DNS worker takes it, with the servers that its file names.
    mutating func zone(_ zone: ExeatConfiguration.Zone, files: LiveUpstreams) throws(DaemonError) -> ForwardingZone {
        var upstreams: [UpstreamAddress] = []
        for upstream in zone.upstreams {
            var tls: UpstreamTLS?
            if let given = upstream.tls { tls = try identity(given) }
            upstreams.append(UpstreamAddress(upstream.address, port: upstream.port, tls: tls))
        }
        var result = ForwardingZone(zone.name, upstreams: upstreams, options: zone.forwarding)
        result.live = zone.upstreamSource.flatMap { files.list($0) }
        return result
    }
}
