import DNSInterceptor
import DomainNames
import NetworkTypes
import PolicyModel

extension ExeatConfiguration {
    /// Names at and below `name`, asked at upstreams of their own.
    public struct Zone: Sendable, Hashable {
        public var name: DomainName
        public var upstreams: [Upstream]
        /// A `resolv.conf` that names more of them, or a service (`ServiceReference`) behind which more are; followed as it changes.
        public var upstreamSource: String?
        public var forwarding: ForwardingOptions
    }

    private static let zonesMax = 1_000

    /// Fields that a zone and `dns` share: those of `dns` are the defaults of every zone.
    static let forwardingFields = [
        "policy", "hedge", "forceTCP", "preferUDP", "cookies", "queriesPerUpstreamMax", "connectionsPerUpstreamMax", "expireSeconds",
    ]

    static func readForwarding(_ reader: MappingReader, into options: inout ForwardingOptions, _ problems: inout DiagnosticList) {
        if let value = reader["policy"]?.choice(UpstreamPolicy.self, &problems) { options.policy = value }
        if let value = reader["hedge"]?.boolean(&problems) { options.hedges = value }
        if let value = reader["forceTCP"]?.boolean(&problems) { options.forcesTCP = value }
        if let value = reader["preferUDP"]?.boolean(&problems) { options.prefersUDP = value }
        if let value = reader["cookies"]?.boolean(&problems) { options.sendsCookies = value }
        if let value = reader["queriesPerUpstreamMax"]?.integer(in: 1...65_536, &problems) { options.queriesPerUpstreamMax = value }
        if let value = reader["connectionsPerUpstreamMax"]?.integer(in: 1...64, &problems) { options.connectionsPerUpstreamMax = value }
        if let value = reader["expireSeconds"]?.integer(in: 1...3_600, &problems) { options.idleSeconds = value }
    }

    /// The zones of `dns.zones`, and of `dns.upstreams` as the root zone.
    mutating func readZones(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let values = field.elements(&problems) else { return }
        guard values.count <= Self.zonesMax else {
            return field.error("\(values.count) zones", hint: "at most \(Self.zonesMax)", into: &problems)
        }
        var lines: [DomainName: Int] = [:]
        let standard = dns.forwarding
        for value in values {
            let fields = MappingReader.Fields(["name", "upstreams"] + Self.forwardingFields)
            guard let reader = MappingReader(value, fields: fields, &problems) else { continue }
            var options = standard
            Self.readForwarding(reader, into: &options, &problems)
            let nameField = reader.required("name", &problems)
            let upstreamsField = reader.required("upstreams", &problems)
            let (upstreams, file) = upstreamsField.map { readUpstreams($0, &problems) } ?? ([], nil)
            if let upstreamsField, case .sequence(let elements) = upstreamsField.node.kind, elements.isEmpty {
                upstreamsField.error("names no upstream", hint: "name the resolvers to ask, such as [\"192.0.2.53\"]", into: &problems)
            }
            guard let nameField, let text = nameField.string(&problems) else { continue }
            let name: DomainName
            do throws(DomainNameError) {
                name = try DomainName(parsing: text)
            } catch {
                nameField.error("\(error)", hint: "such as corp.example.org, or . for all other names", into: &problems)
                continue
            }
            if let line = lines[name] {
                nameField.error("the zone \(name) is here twice", hint: "first at line \(line)", into: &problems)
                continue
            }
            lines[name] = nameField.location.line
            guard name == .root else {
                dns.zones.append(Zone(name: name, upstreams: upstreams, upstreamSource: file, forwarding: options))
                continue
            }
            guard dns.upstreams.isEmpty, dns.upstreamSource == nil else {
                nameField.error("the zone . has its upstreams in dns.upstreams already", hint: "remove one of the two", into: &problems)
                continue
            }
            dns.upstreams = upstreams
            dns.upstreamSource = file
            dns.forwarding = options
        }
    }
}

extension ExeatConfiguration.DNS {
    /// `dns.upstreams` and how they are asked.
    public var rootZone: ExeatConfiguration.Zone {
        .init(name: .root, upstreams: upstreams, upstreamSource: upstreamSource, forwarding: forwarding)
    }

    /// Upstreams of all zones that the configuration itself names, each once.
    public var allUpstreams: [ExeatConfiguration.Upstream] {
        var seen: Set<ExeatConfiguration.Upstream> = []
        return (upstreams + zones.flatMap(\.upstreams)).filter { seen.insert($0).inserted }
    }
}
