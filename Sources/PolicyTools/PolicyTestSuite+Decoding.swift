import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel

extension PolicyTestSuite {
    private static let fields = MappingReader.Fields(["policies", "options", "endpoints", "tests"])
    private static let optionFields = MappingReader.Fields(
        ["unselected", "exclusiveDomains"], misplaced: ["unselectedEndpoints": "here the field is \"unselected\""])
    private static let endpointFields = MappingReader.Fields(
        ["namespace", "name", "labels", "serviceAccount", "profiles", "address"],
        misplaced: ["ipNetworks": "here the field is \"address\"", "addresses": "the field is \"address\"; it may be a list"])
    private static let testFields = MappingReader.Fields(
        ["name", "direction", "from", "to", "protocol", "icmp", "resolved", "expect", "rule", "reason", "staged", "dns"],
        misplaced: ["port": "write it behind the destination: api.example.org:443", "verdict": "the field is \"expect\""])

    /// Checks of one file at most; a test with lists counts once for each pair.
    public static let checksMax = 100_000

    private enum Verdict: String, CaseIterable { case allow, deny }
    private enum Query: String, CaseIterable { case answered, refused }
    private enum Direction: String, CaseIterable { case egress, ingress }

    /// Reads the documents of one file; nil if it holds none. Every finding goes to `problems`.
    public init?(decoding documents: [ConfigurationNode], file: String, options: PolicyOptions, _ problems: inout DiagnosticList) {
        let documents = documents.filter { $0.kind != .null }
        guard let document = documents.first else {
            problems.error(at: SourceLocation(file: file), field: "", "there are no tests in the file")
            return nil
        }
        if documents.count > 1 {
            problems.error(at: documents[1].location, field: "", "a file of tests is one document", hint: "add to the list of tests above")
        }
        guard let reader = MappingReader(ConfigurationField(document, path: ""), fields: Self.fields, &problems) else { return nil }
        self.init(file: file, options: options)
        policies = Self.texts(reader["policies"], &problems).map(\.text)
        if let field = reader["options"], let reader = MappingReader(field, fields: Self.optionFields, &problems) {
            if let choice = reader["unselected"]?.choice(Verdict.self, &problems) { self.options.unselectedAllowed = choice == .allow }
            if let flag = reader["exclusiveDomains"]?.boolean(&problems) { self.options.exclusiveByDefault = flag }
        }
        endpoints = (reader["endpoints"]?.elements(&problems) ?? []).compactMap { Self.endpoint($0, &problems) }
        if let field = reader.required("tests", &problems) {
            var checks = 0
            for element in field.elements(&problems) ?? [] {
                guard let test = Self.test(element, &problems) else { continue }
                checks += test.from.count * test.to.count
                guard checks <= Self.checksMax else {
                    element.error("the file has more than \(Self.checksMax) checks", hint: "write several files", into: &problems)
                    break
                }
                tests.append(test)
            }
        }
    }

    private static func endpoint(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> InlineEndpoint? {
        guard let reader = MappingReader(field, fields: endpointFields, &problems) else { return nil }
        guard let namespace = reader.required("namespace", &problems)?.string(&problems),
            let name = reader.required("name", &problems)?.string(&problems)
        else { return nil }
        var endpoint = InlineEndpoint(namespace: namespace, name: name, location: field.location)
        for (key, _, value) in reader["labels"]?.entries(&problems) ?? [] {
            if let text = value.string(&problems) { endpoint.labels[key] = text }
        }
        endpoint.serviceAccount = reader["serviceAccount"]?.string(&problems)
        endpoint.profiles = texts(reader["profiles"], &problems).map(\.text)
        for (text, field) in texts(reader["address"], &problems) {
            if let address = IPAddress(parsing: text) {
                endpoint.addresses.append(address)
            } else {
                field.error("\"\(text)\" is no IP address", into: &problems)
            }
        }
        return endpoint
    }

    private static func test(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> Test? {
        let errorsBefore = problems.errorCount
        guard let reader = MappingReader(field, fields: testFields, &problems) else { return nil }
        let name = reader.required("name", &problems)?.string(&problems) ?? ""
        let from = reader.required("from", &problems).map { ends($0, &problems) } ?? []
        let to = reader.required("to", &problems).map { ends($0, &problems) } ?? []
        let expect = reader.required("expect", &problems)?.choice(Verdict.self, &problems) ?? .deny
        var expectation = Expectation(isAllowed: expect == .allow)
        expectation.rule = reader["rule"]?.string(&problems)
        expectation.reason = reader["reason"].flatMap { reason($0, expect == .allow, &problems) }
        expectation.stagedAllowed = reader["staged"]?.choice(Verdict.self, &problems).map { $0 == .allow }
        expectation.isAnswered = reader["dns"]?.choice(Query.self, &problems).map { $0 == .answered }
        var test = Test(
            name: name, location: field.location,
            direction: reader["direction"]?.choice(Direction.self, &problems) == .ingress ? .ingress : .egress, from: from, to: to,
            transport: .tcp,
            icmp: ICMPMatch(), resolved: [], expectation: expectation)
        if let field = reader["protocol"] { readProtocol(field, into: &test, &problems) }
        if let field = reader["icmp"] { readICMP(field, into: &test, &problems) }
        for (text, field) in texts(reader["resolved"], &problems) {
            do throws(DomainNameError) {
                test.resolved.append(try DomainName(parsing: text))
            } catch {
                field.error("\"\(text)\" is no name: \(error)", into: &problems)
            }
        }
        check(test, reader, &problems)
        return problems.errorCount == errorsBefore ? test : nil
    }

    /// What must hold between fields.
    private static func check(_ test: Test, _ reader: MappingReader, _ problems: inout DiagnosticList) {
        let isIngress = test.direction == .ingress
        for end in isIngress ? test.to : test.from {
            guard case .endpoint = end.peer, isIngress || end.port == nil else {
                problems.error(
                    at: end.location, field: "\(reader.path).\(isIngress ? "to" : "from")", "\"\(end.text)\" is no endpoint",
                    hint: "NAMESPACE/NAME")
                continue
            }
        }
        let peers = isIngress ? test.from : test.to
        for peer in peers {
            let field = "\(reader.path).\(isIngress ? "from" : "to")"
            if case .name = peer.peer, isIngress {
                problems.error(at: peer.location, field: field, "who opens a flow is told by address", hint: "an address or NAMESPACE/NAME")
            }
            if case .name = peer.peer, !test.resolved.isEmpty {
                problems.error(at: peer.location, field: field, "a name is resolved by itself", hint: "resolved goes with an address")
            }
            if isIngress, peer.port != nil {
                problems.error(at: peer.location, field: field, "the port belongs to the destination", hint: "write it behind \"to\"")
            }
        }
        for end in test.to where end.port != nil && !test.transport.hasPorts {
            problems.error(at: end.location, field: "\(reader.path).to", "\(test.transport) has no ports")
        }
        if isIngress, let field = reader["resolved"] ?? reader["dns"] { field.error("names do not bear on ingress", into: &problems) }
        if let field = reader["dns"], test.resolved.isEmpty, !test.to.allSatisfy({ if case .name = $0.peer { true } else { false } }) {
            field.error(
                "tells of names, and the destination is none", hint: "give a name under to, or names under resolved", into: &problems)
        }
    }

    private static func readProtocol(_ field: ConfigurationField, into test: inout Test, _ problems: inout DiagnosticList) {
        // A number may stand without quotes, as in a rule.
        guard case .scalar(let text, _) = field.node.kind, let found = TransportProtocol(parsing: text) else {
            field.error("must be a protocol: tcp, udp, icmp, icmpv6, sctp, udplite or a number from 1 to 255", into: &problems)
            return
        }
        test.transport = found
    }

    private static func readICMP(_ field: ConfigurationField, into test: inout Test, _ problems: inout DiagnosticList) {
        if case .mapping = field.node.kind {
            guard let reader = MappingReader(field, fields: MappingReader.Fields(["type", "code"]), &problems) else { return }
            test.icmp.type = reader.required("type", &problems)?.integer(in: 0...255, &problems).map { UInt8($0) }
            test.icmp.code = reader["code"]?.integer(in: 0...255, &problems).map { UInt8($0) }
        } else if case .scalar(let text, _) = field.node.kind, let match = ICMPMatch(typeAndCode: text) {
            test.icmp = match
        } else {
            field.error("must be TYPE or TYPE/CODE", hint: "8, or 3/13", into: &problems)
        }
        if test.transport != .icmp, test.transport != .icmpv6 {
            field.error("needs the protocol icmp or icmpv6", into: &problems)
        }
    }

    private static func reason(_ field: ConfigurationField, _ isAllowed: Bool, _ problems: inout DiagnosticList) -> VerdictReason? {
        guard let text = field.string(&problems) else { return nil }
        let labels = VerdictReason.allCases.map(\.label)
        guard let reason = VerdictReason.allCases.first(where: { $0.label == text }) else {
            field.error(
                "\"\(text)\" is no reason",
                hint: NameSuggestion.hint(for: text, among: labels) ?? "one of \(labels.joined(separator: ", "))",
                into: &problems)
            return nil
        }
        if reason.isAllowed != isAllowed { field.error("\(text) never goes with this verdict", into: &problems) }
        return reason
    }

    private static func ends(_ field: ConfigurationField, _ problems: inout DiagnosticList) -> [Test.End] {
        texts(field, &problems).compactMap { text, field in
            do throws(PolicyToolError) {
                let (peer, port) = try FlowPeer.parse(text)
                return Test.End(text: text, peer: peer, port: port, location: field.location)
            } catch {
                field.error(error.message, hint: error.hint, into: &problems)
                return nil
            }
        }
    }

    /// A text, or a list of them that is not empty; nothing for an absent field.
    private static func texts(_ field: ConfigurationField?, _ problems: inout DiagnosticList) -> [(text: String, field: ConfigurationField)]
    {
        guard let field else { return [] }
        guard case .sequence(let nodes) = field.node.kind else { return field.string(&problems).map { [($0, field)] } ?? [] }
        if nodes.isEmpty { field.error("the list is empty", into: &problems) }
        return (field.elements(&problems) ?? []).compactMap { element in element.string(&problems).map { ($0, element) } }
    }
}

extension ICMPMatch {
    /// `8` or `3/13`; nil if it is neither.
    public init?(typeAndCode text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }), let type = UInt8(parts[0]) else {
            return nil
        }
        self.init(type: type)
        guard parts.count == 2 else { return }
        guard let code = UInt8(parts[1]) else { return nil }
        self.code = code
    }
}
