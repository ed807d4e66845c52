import DNSInterceptor
import DomainNames
import Foundation
import NetworkTypes
import PolicyModel

extension ExeatConfiguration {
    /// How an upstream is known over TLS; see `UpstreamTLS`.
    public struct TLS: Sendable, Hashable {
        /// A DNS name without the final dot, or an IP address.
        public var name: String?
        /// SHA-256 of SubjectPublicKeyInfo, 32 bytes each.
        public var pins: [[UInt8]] = []
        /// Authorities in PEM; nil: the system's.
        public var authorityFile: String?
    }

    private static let scheme = "tls://"
    private static let pinsMax = 8

    /// Reads upstreams, and the file or service of more of them, when `dns.listen` and `dns.port` are known: our own addresses among them would be asked in
    /// a circle.
    func readUpstreams(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> ([Upstream], source: String?) {
        guard let values = field.elements(&problems) else { return ([], nil) }
        let hasSource = values.contains { Self.source($0) != nil }
        let countMax = ForwardingZone.upstreamsMax - (hasSource ? ForwardingZone.livePlaces : 0)
        guard values.count <= countMax else {
            field.error(
                "\(values.count) upstreams", hint: "at most \(countMax)\(hasSource ? ", the file or service included" : "")",
                into: &problems)
            return ([], nil)
        }
        var upstreams: [Upstream] = []
        var source: String?
        for value in values {
            if let text = Self.source(value) {
                if let source {
                    value.error("is the second file or service", hint: "there is \(source) already: name one", into: &problems)
                }
                source = text
                guard text.hasPrefix(ServiceReference.scheme) else { continue }
                source = ServiceReference(parsing: text)?.description
                if source == nil {
                    value.error(
                        "\"\(text)\" names no service", hint: "such as k8s-service:kube-system/kube-dns, and :PORT behind it if needed",
                        into: &problems)
                }
            } else if let upstream = readUpstream(value, &problems) {
                upstreams.append(upstream)
            }
        }
        return (upstreams, source)
    }

    /// An element that is a file or a service, and no server.
    private static func source(_ field: ConfigurationField) -> String? {
        guard case .scalar(let text, _) = field.node.kind, text.hasPrefix("/") || text.hasPrefix(ServiceReference.scheme) else {
            return nil
        }
        return text
    }

    private func readUpstream(_ value: ConfigurationField, _ problems: inout DiagnosticList) -> Upstream? {
        let upstream: Upstream?
        if case .mapping = value.node.kind {
            upstream = readUpstreamMapping(value, &problems)
        } else {
            upstream = Self.readUpstreamText(value, &problems)
        }
        guard let upstream else { return nil }
        guard upstream.port != dns.port || !dns.listen.contains(upstream.address) else {
            value.error(
                "\(upstream.address) is an address of dns.listen", hint: "a question would come back for ever: name another resolver",
                into: &problems)
            return nil
        }
        return upstream
    }

    /// `192.0.2.53`, `192.0.2.53:5353`, `tls://192.0.2.53#dns.example.org`, `tls://[2001:db8::53]:853#dns.example.org`.
    private static func readUpstreamText(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Upstream? {
        if case .scalar(let text, _) = field.node.kind, text.hasPrefix(scheme) {
            let parts = text.dropFirst(scheme.count).split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                field.error(
                    "\"\(text)\" does not say by what name the server is known",
                    hint: "such as tls://192.0.2.53#dns.example.org; with pins: {address: 192.0.2.53, tls: {pins: [...]}}", into: &problems)
                return nil
            }
            guard let (address, port) = HostAndPort.address(String(parts[0]), defaultPort: 853) else {
                field.error(
                    "\"\(parts[0])\" is no address with a port", hint: "such as tls://192.0.2.53:853#dns.example.org", into: &problems)
                return nil
            }
            guard let name = authenticatedName(String(parts[1]), field, &problems) else { return nil }
            return Upstream(address: address, port: port, tls: TLS(name: name))
        }
        guard let (address, port) = addressAndPort(field, defaultPort: 53, &problems) else { return nil }
        return Upstream(address: address, port: port)
    }

    private func readUpstreamMapping(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Upstream? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["address", "tls"]), &problems) else { return nil }
        var tls: TLS?
        if let value = reader["tls"] {
            tls = readTLS(value, &problems)
            guard tls != nil else { return nil }
        }
        guard let value = reader.required("address", &problems),
            let (address, port) = Self.addressAndPort(value, defaultPort: tls == nil ? 53 : 853, &problems)
        else { return nil }
        return Upstream(address: address, port: port, tls: tls)
    }

    private func readTLS(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> TLS? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["name", "pins", "caFile"]), &problems) else { return nil }
        var tls = TLS()
        if let value = reader["name"] {
            guard let text = value.string(&problems), let name = Self.authenticatedName(text, value, &problems) else { return nil }
            tls.name = name
        }
        if let value = reader["pins"] {
            guard let elements = value.elements(&problems) else { return nil }
            guard elements.count <= Self.pinsMax else {
                value.error("\(elements.count) pins", hint: "at most \(Self.pinsMax)", into: &problems)
                return nil
            }
            for element in elements {
                guard let text = element.string(&problems) else { return nil }
                guard let digest = Data(base64Encoded: text), digest.count == 32 else {
                    element.error(
                        "\"\(text)\" is no SHA-256 in base64",
                        hint: "44 characters; docs/configuration.md shows how openssl tells it", into: &problems)
                    return nil
                }
                tls.pins.append(Array(digest))
            }
        }
        if let value = reader["caFile"] {
            guard let text = value.string(&problems) else { return nil }
            guard text.hasPrefix("/") else {
                value.error("must be a whole path, not \"\(text)\"", hint: "begin with /", into: &problems)
                return nil
            }
            tls.authorityFile = text
            if triesAuthorities {
                do throws(DaemonError) {
                    try AuthorityFiles.check(text)
                } catch {
                    value.error(error.description, hint: "certificates in PEM that the daemon's user can read", into: &problems)
                }
            }
        }
        guard tls.name != nil || !tls.pins.isEmpty else {
            field.error(
                "does not say by what the server is known", hint: "give name or pins: anybody could answer otherwise", into: &problems)
            return nil
        }
        guard tls.authorityFile == nil || tls.name != nil else {
            field.error("has caFile without name", hint: "authorities speak for a name: give it, or leave caFile out", into: &problems)
            return nil
        }
        return tls
    }

    /// As the certificate is compared with it.
    private static func authenticatedName(_ text: String, _ field: ConfigurationField, _ problems: inout DiagnosticList) -> String? {
        if let address = IPAddress(parsing: text) { return "\(address)" }
        do throws(DomainNameError) {
            let name = try DomainName(parsing: text)
            guard name != .root else {
                field.error("the name of the server is empty", hint: "such as dns.example.org", into: &problems)
                return nil
            }
            let host = "\(name)"
            return host.hasSuffix(".") ? String(host.dropLast()) : host
        } catch {
            field.error("\"\(text)\": \(error)", hint: "the name in the server's certificate, such as dns.example.org", into: &problems)
            return nil
        }
    }
}
