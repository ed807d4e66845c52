import DNSInterceptor

/// The certificate authorities that upstreams are checked against: each file is read once, at the start, while files can be read.
struct UpstreamTrust {
    private var read: [Source: TLSTrust] = [:]

    private enum Source: Hashable {
        case none, system
        case file(String)
    }

    mutating func identity(_ tls: ExeatConfiguration.TLS) throws(DaemonError) -> UpstreamTLS {
        let source: Source = tls.name == nil ? .none : tls.authorityFile.map { .file($0) } ?? .system
        if let trust = read[source] { return UpstreamTLS(name: tls.name, pins: tls.pins, trust: trust) }
        let trust: TLSTrust
        do throws(TLSTrust.Failure) {
            switch source {
            case .none: trust = try TLSTrust(file: nil)
            case .system: trust = try .system()
            case .file(let path): trust = try TLSTrust(file: path)
            }
        } catch {
            throw DaemonError(
                "\(error)",
                hint: source == .system
                    ? "install ca-certificates, or name a file in tls.caFile of the upstream"
                    : "tls.caFile of an upstream: certificates in PEM that the daemon's user can read")
        }
        read[source] = trust
        return UpstreamTLS(name: tls.name, pins: tls.pins, trust: trust)
    }

    /// As the DNS worker takes it, with the servers that its file names.
    mutating func zone(_ zone: ExeatConfiguration.Zone, files: UpstreamFiles) throws(DaemonError) -> ForwardingZone {
        var upstreams: [UpstreamAddress] = []
        for upstream in zone.upstreams {
            var tls: UpstreamTLS?
            if let given = upstream.tls { tls = try identity(given) }
            upstreams.append(UpstreamAddress(upstream.address, port: upstream.port, tls: tls))
        }
        var result = ForwardingZone(zone.name, upstreams: upstreams, options: zone.forwarding)
        result.live = zone.upstreamFile.flatMap { files.list($0) }
        return result
    }
}
