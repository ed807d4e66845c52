import DNSInterceptor
import Datastores
import DomainNames
import Enforcement
import NetfilterTables
import NetworkTypes
import PolicyModel

extension ExeatConfiguration {
    /// Reads a configuration file. Any error in it throws all of them; paths in it are relative to its folder.
    ///
    /// - Parameter triesAuthorities: whether a file of authorities (`tls.caFile`) that is no good is an error, too.
    public static func read(file: String, triesAuthorities: Bool = false) throws(ConfigurationFailure) -> ExeatConfiguration {
        var problems = DiagnosticList()
        let text: String
        do throws(DaemonError) {
            text = try TextFile.read(file)
        } catch {
            problems.error(at: nil, field: file, error.description, hint: "give another file with --config")
            throw ConfigurationFailure(diagnostics: problems.diagnostics)
        }
        let nodes = ConfigurationDocument.nodes(yaml: text, file: file, &problems)
        var configuration = ExeatConfiguration()
        configuration.triesAuthorities = triesAuthorities
        if nodes.count > 1 {
            problems.error(at: nodes[1].location, field: "", "one document is expected", hint: "policies go into files of their own")
        }
        if let node = nodes.first, node.kind != .null {
            configuration.read(ConfigurationField(node, path: ""), &problems)
        }
        guard problems.errorCount == 0 else {
            throw ConfigurationFailure(
                diagnostics: problems.diagnostics, readSoFar: configuration.workloadInterfaces.isEmpty ? nil : configuration)
        }
        let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        func absolute(_ path: String) -> String { path.hasPrefix("/") || folder.isEmpty ? path : "\(folder)/\(path)" }
        configuration.policies = absolute(configuration.policies)
        configuration.endpoints = configuration.endpoints.map(absolute)
        configuration.dns.hostFiles = configuration.dns.hostFiles.map(absolute)
        configuration.flowLog.path = configuration.flowLog.path.map(absolute)
        configuration.dnsLog.path = configuration.dnsLog.path.map(absolute)
        return configuration
    }

    private mutating func read(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let fields = MappingReader.Fields([
            "mode", "denyAction", "startFailure", "existingFlows", "unselectedEndpoints", "exclusiveDomains", "verifyName", "node",
            "policies", "endpoints", "user", "runtimeDirectory", "workloadInterfaces",
            "podCIDRs",
            "endpointsMax", "dns", "bindings", "queues", "limits", "hold", "markMask", "kernelLeases", "metrics", "health", "flowLog",
            "dnsLog", "flowsMax",
        ])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        if let value = reader["mode"]?.choice(VerdictEngine.Mode.self, &problems) { mode = value }
        if let value = reader["denyAction"]?.choice(VerdictEngine.DenyAction.self, &problems) {
            denyAction = value
            given.insert("denyAction")
        }
        if let value = reader["startFailure"]?.choice(StartFailure.self, &problems) { startFailure = value }
        if let value = reader["existingFlows"]?.choice(ExistingFlows.self, &problems) { existingFlows = value }
        if let value = reader["unselectedEndpoints"]?.choice(Unselected.self, &problems) { unselectedAllowed = value == .allow }
        if let value = reader["exclusiveDomains"]?.boolean(&problems) { exclusiveDomains = value }
        if let value = reader["verifyName"]?.choice(NameVerification.self, &problems) { verifyName = value }
        if let value = reader["node"]?.string(&problems) { node = value }
        if let value = reader["policies"]?.string(&problems) { policies = value }
        if let value = reader["endpoints"]?.string(&problems) { endpoints = value }
        if let value = reader["user"]?.string(&problems) { user = value }
        if let value = reader["runtimeDirectory"]?.string(&problems) { runtimeDirectory = value }
        if let values = reader["workloadInterfaces"]?.elements(&problems) {
            workloadInterfaces = values.compactMap { Self.interfacePattern($0, &problems) }
        }
        if let values = reader["podCIDRs"]?.elements(&problems) { podPrefixes = values.compactMap { Self.prefix($0, &problems) } }
        if let value = reader["endpointsMax"]?.integer(in: 1...65_536, &problems) { endpointsMax = value }
        if let value = reader["flowsMax"]?.integer(in: 1_024...1_048_576, &problems) { flowsMax = value }
        if let value = reader["dns"] { readDNS(value, &problems) }
        if let value = reader["bindings"] { readBindings(value, &problems) }
        if let value = reader["queues"] { readQueues(value, &problems) }
        if let value = reader["limits"] { readLimits(value, &problems) }
        if let value = reader["hold"] { readHold(value, &problems) }
        if let value = reader["markMask"] { readMask(value, &problems) }
        if let value = reader["kernelLeases"]?.boolean(&problems) { hasKernelLeases = value }
        if let value = reader["metrics"] { readMetrics(value, &problems) }
        if let value = reader["health"] { health = Self.listener(value, &problems) ?? health }
        if let value = reader["flowLog"] { readFlowLog(value, &problems) }
        if let value = reader["dnsLog"] { readDNSLog(value, &problems) }
        if workloadInterfaces.isEmpty {
            problems.error(
                at: field.location, field: "workloadInterfaces", "is required",
                hint: "name the interfaces of workloads, such as [\"cali*\"]")
        }
    }

    /// A number, decimal or with 0x.
    private mutating func readMask(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard case .scalar(let text, isQuoted: false) = field.node.kind,
            let value = text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text)
        else { return field.error("must be a mask of 32 bits", hint: "such as 0x1f7f", into: &problems) }
        // Few generations come round soon, and a flow that slept through a round would pass as decided.
        guard (8...16).contains(value.nonzeroBitCount) else {
            return field.error("has \(value.nonzeroBitCount) bits set", hint: "8 to 16 are needed", into: &problems)
        }
        markMask = value
    }

    /// A name that an interface may have (`IFNAMSIZ`, linux/if.h).
    private static func interfaceName(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> String? {
        guard let text = field.string(&problems) else { return nil }
        guard (1...15).contains(text.utf8.count), !text.contains(where: { $0 == "/" || $0.isWhitespace || $0 == "*" }) else {
            field.error("\"\(text)\" is no name of an interface", hint: "such as lo", into: &problems)
            return nil
        }
        return text
    }

    private enum Unselected: String, CaseIterable {
        case allow
        case deny
    }

    private mutating func readDNS(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let own = [
            "listen", "interface", "port", "upstreams", "zones", "allowFrom", "intercept", "snoop", "interceptPort", "noTrack", "workers",
            "coalesceAnswers", "cacheBytesMax", "rebindingGuard",
            "builtInRules", "dohAddresses", "resolvConf", "classPort", "queryPolicy", "queryExemptZones", "rejectResponse",
            "rejectError", "sinkholeAddresses", "negativeSecondsMax", "nxdomainCut", "failureSeconds", "serveStale", "prefetch",
            "localZones",
            "records", "hosts", "searchSuffixes", "searchAnswersLocally", "searchNegativeSecondsMin", "tunnelGuard", "serviceBindings",
        ]
        let fields = MappingReader.Fields(own + Self.forwardingFields)
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        if let values = reader["listen"]?.elements(&problems) { dns.listen = values.compactMap { Self.address($0, &problems) } }
        if let value = reader["interface"] { dns.interface = Self.interfaceName(value, &problems) }
        if let value = reader["port"]?.integer(in: 1...65_535, &problems) { dns.port = UInt16(value) }
        if let value = reader["upstreams"] { (dns.upstreams, dns.upstreamSource) = readUpstreams(value, &problems) }
        Self.readForwarding(reader, into: &dns.forwarding, &problems)
        if let value = reader["zones"] { readZones(value, &problems) }
        if let values = reader["allowFrom"]?.elements(&problems) { dns.allowFrom = values.compactMap { Self.prefix($0, &problems) } }
        if let value = reader["intercept"]?.boolean(&problems) { dns.intercepts = value }
        if let value = reader["snoop"]?.choice(DNSSnooping.self, &problems) { dns.snooping = value }
        if let value = reader["noTrack"]?.boolean(&problems) { dns.isDNSUntracked = value }
        if let value = reader["interceptPort"]?.integer(in: 1...65_535, &problems) { dns.interceptPort = UInt16(value) }
        if let value = reader["classPort"]?.integer(in: 1...65_522, &problems) {
            dns.classPort = UInt16(value)
            given.insert("dns.classPort")
        }
        if let value = reader["workers"]?.integer(in: 1...16, &problems) { dns.workers = value }
        if let value = reader["coalesceAnswers"]?.boolean(&problems) { dns.coalescesAnswers = value }
        if let value = reader["cacheBytesMax"]?.integer(in: 65_536...(1 << 34), &problems) { dns.cacheBytesMax = value }
        readCache(reader, &problems)
        readLocalNames(reader, &problems)
        if let value = reader["rebindingGuard"] { readRebinding(value, &problems) }
        if let value = reader["tunnelGuard"] { readTunnelGuard(value, &problems) }
        if let value = reader["serviceBindings"] { readServiceBindings(value, &problems) }
        if let value = reader["builtInRules"] { readBuiltIns(value, &problems) }
        if let values = reader["dohAddresses"]?.elements(&problems) {
            dns.dohAddresses = Set(values.compactMap { Self.address($0, &problems) })
        }
        if let value = reader["queryPolicy"]?.choice(QueryPolicy.self, &problems) { dns.queryPolicy = value }
        if let values = reader["queryExemptZones"]?.elements(&problems) {
            dns.queryExemptZones = values.compactMap { Self.name($0, &problems) }
        }
        readRejectResponse(reader, &problems)
        if let value = reader["resolvConf"]?.string(&problems) { dns.resolvConf = value }
        if dns.intercepts, dns.interceptPort == dns.port {
            problems.error(
                at: field.location, field: "dns.interceptPort", "is dns.port too", hint: "intercepted queries need a port of their own")
        }
        if dns.snooping == .all, dns.intercepts {
            problems.error(
                at: field.location, field: "dns.snoop", "is all while dns.intercept is true",
                hint:
                    "queries of workloads are brought here, so that none is left to be read on its way: set dns.intercept: false, or dns.snoop: node"
            )
        }
        let classPorts = dns.classPort...dns.classPort + 13
        if classPorts.contains(dns.port) || (dns.intercepts && classPorts.contains(dns.interceptPort)) {
            problems.error(
                at: field.location, field: "dns.classPort", "dns.port or dns.interceptPort lies in \(classPorts)",
                hint: "the \(classPorts.count) ports from dns.classPort on are for classes of processes")
        }
        if !dns.listen.isEmpty, dns.upstreams.isEmpty, dns.upstreamSource == nil {
            problems.error(
                at: field.location, field: "dns.upstreams", "is required", hint: "name the resolvers to ask, such as [\"192.0.2.53\"]")
        }
    }

    private enum RejectWord: String, CaseIterable {
        case refused, nxdomain, nodata, sinkhole
    }

    private enum RejectErrorWord: String, CaseIterable {
        case blocked, censored, filtered, prohibited

        var error: RejectError {
            switch self {
            case .blocked: .blocked
            case .censored: .censored
            case .filtered: .filtered
            case .prohibited: .prohibited
            }
        }
    }

    private mutating func readRejectResponse(_ reader: MappingReader, _ problems: inout DiagnosticList) {
        if let word = reader["rejectError"]?.choice(RejectErrorWord.self, &problems) { dns.rejectError = word.error }
        let word = reader["rejectResponse"]?.choice(RejectWord.self, &problems)
        var addresses: [IPFamily: IPAddress] = [:]
        for element in reader["sinkholeAddresses"]?.elements(&problems) ?? [] {
            guard let address = Self.address(element, &problems) else { continue }
            if addresses[address.family] != nil {
                element.error("is the second of its family", hint: "one address answers for each", into: &problems)
            }
            addresses[address.family] = address
        }
        switch word {
        case .refused: dns.rejectResponse = .refused
        case .nxdomain: dns.rejectResponse = .nameError
        case .nodata: dns.rejectResponse = .noData
        case .sinkhole:
            dns.rejectResponse = .sinkhole(v4: addresses[.v4], v6: addresses[.v6])
            if addresses.isEmpty {
                reader["rejectResponse"]?.error(
                    "needs dns.sinkholeAddresses", hint: "name an address, or two of different families", into: &problems)
            }
        case nil: break
        }
        if word != .sinkhole {
            reader["sinkholeAddresses"]?.error(
                "has no effect without dns.rejectResponse: sinkhole", hint: "remove it, or say so", into: &problems)
        }
    }

    private mutating func readBuiltIns(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["dot", "doq", "doh", "foreignDNS"]), &problems) else {
            return
        }
        if let value = reader["dot"]?.boolean(&problems) { dns.refusesDNSOverTLS = value }
        if let value = reader["doq"]?.boolean(&problems) { dns.refusesDNSOverQUIC = value }
        if let value = reader["doh"]?.boolean(&problems) { dns.refusesDNSOverHTTPS = value }
        if let value = reader["foreignDNS"]?.boolean(&problems) { dns.refusesForeignDNS = value }
    }

    private mutating func readRebinding(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["enabled", "exemptZones", "permit"]), &problems) else {
            return
        }
        if let value = reader["enabled"]?.boolean(&problems) { dns.rebinding.isEnabled = value }
        if let values = reader["exemptZones"]?.elements(&problems) {
            dns.rebinding.exemptZones = values.compactMap { Self.name($0, &problems) }
        }
        if let values = reader["permit"]?.elements(&problems) {
            dns.rebinding.permitted = values.compactMap { Self.prefix($0, &problems) }
        }
    }

    private mutating func readBindings(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let fields = MappingReader.Fields([
            "floorSeconds", "ceilingSeconds", "graceSeconds", "addressesPerName", "namesPerClient", "bindingsPerClient",
            "drainingPerClient", "bindings", "redialSeconds",
        ])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        if let value = reader["floorSeconds"]?.integer(in: 0...86_400, &problems) { bindings.floorSeconds = UInt32(value) }
        if let value = reader["ceilingSeconds"]?.integer(in: 1...604_800, &problems) { bindings.ceilingSeconds = UInt32(value) }
        if let value = reader["graceSeconds"]?.integer(in: 0...3_600, &problems) {
            bindings.graceSeconds = UInt32(value)
            given.insert("bindings.graceSeconds")
        }
        if let value = reader["addressesPerName"]?.integer(in: 1...65_536, &problems) { bindings.addressesPerName = value }
        if let value = reader["namesPerClient"]?.integer(in: 1...1_048_576, &problems) { bindings.namesPerClient = value }
        if let value = reader["bindingsPerClient"]?.integer(in: 1...1_048_576, &problems) { bindings.bindingsPerClient = value }
        if let value = reader["drainingPerClient"]?.integer(in: 1...1_048_576, &problems) { bindings.drainingPerClient = value }
        if let value = reader["bindings"]?.integer(in: 1_024...1_048_576, &problems) { bindings.bindings = value }
        if let value = reader["redialSeconds"]?.integer(in: 0...3_600, &problems) { bindings.redialSeconds = UInt32(value) }
        if bindings.floorSeconds > bindings.ceilingSeconds {
            problems.error(at: field.location, field: "bindings.floorSeconds", "is above ceilingSeconds")
        }
    }

    private mutating func readQueues(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["first", "count", "lengthMax"]), &problems) else { return }
        if let value = reader["first"]?.integer(in: 0...65_000, &problems) { queues.first = UInt16(value) }
        if let value = reader["count"]?.integer(in: 1...64, &problems) { queues.count = value }
        if let value = reader["lengthMax"]?.integer(in: 64...1_048_576, &problems) { queues.lengthMax = UInt32(value) }
    }

    private mutating func readLimits(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let fields = MappingReader.Fields([
            "questionsPerSecond", "questionsBurst", "hellosPerSecond", "hellosBurst", "queriesPerSecond", "queriesBurst",
            "connectionsPerSecond", "connectionsBurst", "connectionsPerEndpoint",
        ])
        guard let reader = MappingReader(field, fields: fields, &problems) else { return }
        if let value = reader["questionsPerSecond"]?.integer(in: 0...1_000_000, &problems) { limits.questionsPerSecond = value }
        if let value = reader["questionsBurst"]?.integer(in: 1...1_000_000, &problems) { limits.questionsBurst = value }
        if let value = reader["hellosPerSecond"]?.integer(in: 0...10_000_000, &problems) { limits.hellosPerSecond = value }
        if let value = reader["hellosBurst"]?.integer(in: 1...10_000_000, &problems) { limits.hellosBurst = value }
        if let value = reader["queriesPerSecond"]?.integer(in: 0...10_000_000, &problems) { limits.queriesPerSecond = value }
        if let value = reader["queriesBurst"]?.integer(in: 1...10_000_000, &problems) { limits.queriesBurst = value }
        if let value = reader["connectionsPerSecond"]?.integer(in: 0...10_000_000, &problems) { limits.connectionsPerSecond = value }
        if let value = reader["connectionsBurst"]?.integer(in: 1...10_000_000, &problems) { limits.connectionsBurst = value }
        if let value = reader["connectionsPerEndpoint"]?.integer(in: 0...16_777_216, &problems) { limits.connectionsPerEndpoint = value }
    }

    private mutating func readHold(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["milliseconds", "packets"]), &problems) else { return }
        if let value = reader["milliseconds"]?.integer(in: 0...5_000, &problems) { hold.milliseconds = UInt32(value) }
        if let value = reader["packets"]?.integer(in: 64...16_384, &problems) { hold.packets = value }
    }

    private mutating func readFlowLog(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["path", "bytesMax"]), &problems) else { return }
        if let value = reader["path"]?.string(&problems) { flowLog.path = value }
        if let value = reader["bytesMax"]?.integer(in: 4_096...(1 << 40), &problems) { flowLog.bytesMax = value }
    }

    // MARK: Values

    private static func interfacePattern(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> String? {
        guard let text = field.string(&problems) else { return nil }
        let stem = text.hasSuffix("*") ? text.dropLast() : text[...]
        // As `Ruleset` takes it: printable ASCII, the star counts.
        guard !stem.isEmpty, text.utf8.count <= 15, stem.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), !stem.contains("*"), !stem.contains("/")
        else {
            field.error("\"\(text)\" is no interface name", hint: "a name, or the beginning of names followed by *", into: &problems)
            return nil
        }
        return text
    }

    private static func address(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> IPAddress? {
        guard let text = field.string(&problems) else { return nil }
        guard let address = IPAddress(parsing: text) else {
            field.error("\"\(text)\" is no IP address", into: &problems)
            return nil
        }
        return address
    }

    private static func prefix(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> IPPrefix? {
        guard let text = field.string(&problems) else { return nil }
        guard let prefix = IPPrefix(parsing: text) else {
            field.error("\"\(text)\" is no address prefix", hint: "such as 192.0.2.0/24 or 2001:db8::/32", into: &problems)
            return nil
        }
        return prefix
    }

    /// `address`, `address:port` or `[v6 address]:port`.
    static func addressAndPort(
        _ field: ConfigurationField, defaultPort: UInt16, _ problems: inout DiagnosticList
    ) -> (address: IPAddress, port: UInt16)? {
        guard let text = field.string(&problems) else { return nil }
        guard let result = HostAndPort.address(text, defaultPort: defaultPort) else {
            field.error(
                "\"\(text)\" is no address with a port", hint: "such as 192.0.2.53, 192.0.2.53:53 or [2001:db8::53]:53", into: &problems)
            return nil
        }
        return result
    }

    private mutating func readMetrics(_ field: ConfigurationField, _ problems: inout DiagnosticList) {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["listen", "corednsNames"]), &problems) else { return }
        if let value = reader["listen"] { metrics = Self.listenAddress(value, &problems) ?? metrics }
        if let value = reader["corednsNames"]?.boolean(&problems) { hasCoreDNSNames = value }
    }

    private static func listener(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Listener? {
        guard let reader = MappingReader(field, fields: MappingReader.Fields(["listen"]), &problems),
            let value = reader.required("listen", &problems)
        else { return nil }
        return listenAddress(value, &problems)
    }

    private static func listenAddress(_ value: ConfigurationField, _ problems: inout DiagnosticList) -> Listener? {
        guard let text = value.string(&problems) else { return nil }
        let full = text.hasPrefix(":") ? "0.0.0.0" + text : text
        guard let result = HostAndPort.address(full, defaultPort: nil) else {
            value.error("\"\(text)\" is no address with a port", hint: "such as :9253 or 127.0.0.1:9253", into: &problems)
            return nil
        }
        return Listener(address: result.address, port: result.port)
    }
}
