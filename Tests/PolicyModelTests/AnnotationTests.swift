import NetworkTypes
import PolicyModel
import Testing

/// Annotations `exeat.io/...`: what goes beyond Calico, in a form that Calico passes over.
struct AnnotationTests {
    private static func policy(_ annotations: String, _ spec: String = "types: [Egress]") -> String {
        resource("GlobalNetworkPolicy", "{name: p, annotations: {\(annotations)}}", spec)
    }

    @Test(arguments: [
        ("exeat.io/exclusive: \"true\"", true, false), ("exeat.io/exclusive: \"false\"", false, false),
        ("exeat.io/deny-domains: \"true\"", false, true), ("exeat.io/exclusive: \"true\", exeat.io/deny-domains: \"true\"", true, true),
    ])
    func `a policy is exclusive, or denies by name`(annotations: String, isExclusive: Bool, deniesByName: Bool) throws {
        let loaded = load(Self.policy(annotations))
        #expect(loaded.diagnostics.map(\.description) == [])
        let policy = try #require(loaded.resources.policies.first)
        #expect(policy.isExclusive == isExclusive)
        #expect(policy.deniesByName == deniesByName)
    }

    @Test(
        arguments: [
            ("a: b", nil, nil),
            ("exeat.io/verify-name: require", .require, nil),
            ("exeat.io/verify-name: \"observe\"", .observe, nil),
            ("exeat.io/verify-name: \"off\"", .off, nil),
            (
                "exeat.io/verify-name-ports: \"tcp:443, tcp:8000-8080,udp:65535\"", nil,
                [
                    NamePort(transport: .tcp, ports: PortRange(443)),
                    NamePort(transport: .tcp, ports: PortRange(8_000, 8_080) ?? PortRange(0)),
                    NamePort(transport: .udp, ports: PortRange(65_535)),
                ]
            ),
        ] as [(String, NameVerification?, [NamePort]?)])
    func `a policy says whether the name in the hello is verified, and where`(
        annotations: String, verification: NameVerification?, ports: [NamePort]?
    ) throws {
        let loaded = load(Self.policy(annotations))
        #expect(loaded.diagnostics.isEmpty)
        let policy = try #require(loaded.resources.policies.first)
        #expect(policy.nameVerification == verification)
        #expect(policy.namePorts == ports)
    }

    @Test(
        arguments: [("a: b", nil), ("exeat.io/query-policy: any", .any), ("exeat.io/query-policy: allowed", .allowed)]
            as [(String, QueryPolicy?)])
    func `a policy says what may be asked for`(annotation: String, queries: QueryPolicy?) throws {
        let loaded = load(Self.policy(annotation))
        #expect(loaded.diagnostics.isEmpty)
        #expect(try #require(loaded.resources.policies.first).queryPolicy == queries)
    }

    @Test(arguments: ["exeat.io/verify-name: require", "exeat.io/verify-name-ports: tcp:443", "exeat.io/query-policy: allowed"])
    func `on a set the name in the hello means nothing`(annotation: String) {
        let found = errors(resource("GlobalNetworkSet", "{name: s, annotations: {\(annotation)}}", "nets: [192.0.2.0/24]"))
        #expect(found.count == 1)
        #expect(found.first?.contains("has no meaning on a GlobalNetworkSet") == true, "\(found)")
    }

    @Test func `a set may be exclusive`() throws {
        let loaded = load(
            resource("GlobalNetworkSet", "{name: s, annotations: {exeat.io/exclusive: \"true\"}}", "allowedEgressDomains: [a.example.org]"))
        #expect(loaded.diagnostics.map(\.description) == [])
        #expect(try #require(loaded.resources.networkSets.first).isExclusive)
    }

    @Test(arguments: [
        ("exeat.io/exclusive: \"yes\"", "must be \"true\" or \"false\", not \"yes\" (in lower case and in quotes)"),
        ("exeat.io/exclusive: \"\"", "must be \"true\" or \"false\", not \"\" (in lower case and in quotes)"),
        ("exeat.io/deny-domains: \"True\"", "must be \"true\" or \"false\", not \"True\" (in lower case and in quotes)"),
        ("exeat.io/verify-name: \"on\"", "must be \"off\", \"observe\" or \"require\", not \"on\" (in lower case)"),
        ("exeat.io/verify-name: \"Require\"", "must be \"off\", \"observe\" or \"require\", not \"Require\" (in lower case)"),
        ("exeat.io/query-policy: some", "must be \"any\" or \"allowed\", not \"some\" (in lower case)"),
        ("exeat.io/verify-name-ports: \"443\"", "\"443\" is no port with its protocol (like tcp:443,tcp:8000-8080,udp:443)"),
        ("exeat.io/verify-name-ports: \"\"", "\"\" is no port with its protocol (like tcp:443,tcp:8000-8080,udp:443)"),
        ("exeat.io/verify-name-ports: \"tcp:0\"", "\"tcp:0\" is no port with its protocol (like tcp:443,tcp:8000-8080,udp:443)"),
        ("exeat.io/verify-name-ports: \"tcp:90-80\"", "\"tcp:90-80\" is no port with its protocol (like tcp:443,tcp:8000-8080,udp:443)"),
        ("exeat.io/verify-name-ports: \"sctp:80\"", "\"sctp:80\" is no port with its protocol (like tcp:443,tcp:8000-8080,udp:443)"),
        ("exeat.io/verify-name-ports: \"tcp:443,\"", "\"\" is no port with its protocol (like tcp:443,tcp:8000-8080,udp:443)"),
        ("exeat.io/verify-name-ports: \"tcp:+443\"", "\"tcp:+443\" is no port with its protocol (like tcp:443,tcp:8000-8080,udp:443)"),
        ("exeat.io/verify-name-ports: \"tcp:443, tcp:443\"", "\"tcp:443\" is here twice (remove one)"),
        ("exeat.io/exclusiv: \"true\"", "unknown annotation \"exeat.io/exclusiv\" (did you mean \"exeat.io/exclusive\"?)"),
        (
            "exeat.io/other: \"true\"",
            "unknown annotation \"exeat.io/other\" (known: exeat.io/exclusive, exeat.io/deny-domains, exeat.io/verify-name, exeat.io/verify-name-ports, exeat.io/query-policy, exeat.io/uid, exeat.io/cgroup)"
        ),
        ("Exeat.io/exclusive: \"true\"", "unknown annotation \"Exeat.io/exclusive\" (did you mean \"exeat.io/exclusive\"?)"),
    ])
    func `other values and other names are errors`(annotation: String, message: String) {
        let found = errors(Self.policy(annotation))
        #expect(found.count == 1)
        #expect(found.first?.hasSuffix(": \(message)") == true, "\(found)")
    }

    @Test(arguments: [
        ("Allow", false, true), ("Deny", false, false), ("Deny", true, true), ("Log", true, false), ("Pass", true, false),
    ])
    func `names may stand in a Deny rule of a policy that denies by name`(action: String, deniesByName: Bool, isValid: Bool) {
        let spec = "types: [Egress]\negress: [{action: \(action), destination: {domains: [a.example.org]}}]"
        #expect(errors(Self.policy("exeat.io/deny-domains: \"\(deniesByName)\"", spec)).isEmpty == isValid)
    }

    @Test(arguments: [
        ("selector: names == 'x'", "false", true), ("selector: names == 'x'", "true", false), ("selector: names == 'y'", "false", false),
        ("namespaceSelector: global()", "false", true), ("nets: [192.0.2.0/24]", "false", false),
    ])
    func `a Deny rule that selects a set with names is warned of`(half: String, deniesByName: String, isWarned: Bool) {
        let yaml =
            Self.policy("exeat.io/deny-domains: \"\(deniesByName)\"", "types: [Egress]\negress: [{action: Deny, destination: {\(half)}}]")
            + "\n---\n" + resource("GlobalNetworkSet", "{name: s, labels: {names: x}}", "allowedEgressDomains: [a.example.org]")
        let found = warnings(yaml)
        #expect(found.count == (isWarned ? 1 : 0), "\(found)")
        #expect(found.allSatisfy { $0.contains("selects the set \"s\", whose names have no effect in a Deny rule") })
    }

    @Test func `a set of addresses alone may be denied`() {
        let yaml =
            Self.policy("a: b", "types: [Egress]\negress: [{action: Deny, destination: {selector: has(x)}}]")
            + "\n---\n" + resource("GlobalNetworkSet", "{name: s, labels: {x: y}}", "nets: [192.0.2.0/24]")
        #expect(warnings(yaml) == [])
    }
}
