import NetworkTypes
import PolicyModel
import Testing

/// Source: docs.tigera.io, Calico, "Network policy", sections Rule, ICMP, EntityRule, Ports, ServiceAccountMatch, ServiceMatch, HTTPMatch;
/// "Global network policy".
struct RuleFieldTests {
    /// One rule for egress, of a NetworkPolicy in `default`.
    private static func rule(_ text: String) throws -> PolicyRule {
        let loaded = load(policy("types: [Egress]\negress: [\(text)]"))
        #expect(!loaded.diagnostics.containsError, "\(text): \(loaded.diagnostics)")
        return try #require(loaded.resources.policies.first?.egress.first, "\(text)")
    }

    @Test(arguments: [
        ("{action: Allow, protocol: ICMP, icmp: {type: 8}}", ICMPMatch(type: 8), nil),
        ("{action: Allow, protocol: ICMPv6, icmp: {type: 128, code: 0}}", ICMPMatch(type: 128, code: 0), nil),
        ("{action: Deny, protocol: 1, notICMP: {type: 3, code: 255}}", nil, ICMPMatch(type: 3, code: 255)),
        ("{action: Deny, protocol: ICMP, icmp: {type: 254}, notICMP: {type: 0}}", ICMPMatch(type: 254), ICMPMatch(type: 0)),
        ("{action: Deny, protocol: ICMP, icmp: {}}", nil, nil as ICMPMatch?),
    ])
    func `ICMP types and codes`(text: String, icmp: ICMPMatch?, notICMP: ICMPMatch?) throws {
        let rule = try Self.rule(text)
        #expect(rule.icmp == icmp)
        #expect(rule.notICMP == notICMP)
    }

    @Test(arguments: [
        ("{ports: [80]}", [RulePort.range(PortRange(80))]),
        ("{ports: [\"80\", \"8000:9000\"]}", [.range(PortRange(80)), .range(PortRange(8000, 9000) ?? PortRange(0))]),
        ("{ports: [http, \"Web-1.x\", 65535]}", [.named("http"), .named("Web-1.x"), .range(PortRange(65535))]),
        ("{ports: []}", []),
    ])
    func `ports are numbers, ranges and names`(half: String, ports: [RulePort]) throws {
        #expect(try Self.rule("{action: Allow, protocol: TCP, destination: \(half)}").destination.ports == ports)
        #expect(try Self.rule("{action: Allow, protocol: SCTP, source: \(half)}").source.ports == ports)
        let negated = half.replacing("ports", with: "notPorts")
        #expect(try Self.rule("{action: Allow, protocol: UDP, destination: \(negated)}").destination.notPorts == ports)
    }

    /// To the Kubernetes API an unquoted 0100 is 64.
    @Test func `a number with a zero before it is refused, as it is octal in YAML`() throws {
        for rule in [
            "protocol: TCP, destination: {ports: [0100]}", "protocol: TCP, source: {notPorts: [0100]}", "protocol: 017",
            "protocol: ICMP, icmp: {type: 010}", "ipVersion: 04",
        ] {
            let found = errors(policy("types: [Egress]\negress: [{action: Allow, \(rule)}]"))
            #expect(found.count == 1 && found[0].contains("octal"), "\(rule): \(found)")
        }
        for order in ["010", "-07"] {
            #expect(errors(policy("order: \(order)\ntypes: [Egress]")).contains { $0.contains("octal") }, "\(order)")
        }
        for order in ["0", "0.5", "-0.5", "10", "1e3"] { #expect(errors(policy("order: \(order)\ntypes: [Egress]")).isEmpty, "\(order)") }
        #expect(
            try Self.rule("{action: Allow, protocol: TCP, destination: {ports: [\"0100\"]}}").destination.ports == [.range(PortRange(100))])
    }

    @Test func `named ports without a protocol are those of TCP`() throws {
        #expect(try Self.rule("{action: Allow, destination: {ports: [http, https]}}").protocol == .tcp)
        #expect(
            warnings(policy("types: [Egress]\negress: [{action: Allow, destination: {ports: [http]}}]")) == [
                "spec.egress[0].destination.ports: named ports without a protocol are those of TCP"
            ])
        for half in ["{ports: [http, 80]}", "{notPorts: [http]}"] {
            #expect(
                errors(policy("types: [Egress]\negress: [{action: Allow, destination: \(half)}]")).first?
                    .contains("ports need a protocol") == true)
        }
    }

    @Test func `service accounts by name and by label`() throws {
        let rule = try Self.rule("{action: Allow, destination: {serviceAccounts: {names: [web, api.v2], selector: role == 'x'}}}")
        #expect(
            rule.destination.serviceAccounts
                == ServiceAccountMatch(names: ["web", "api.v2"], selector: try Selector(parsing: "role == 'x'")))
        #expect(
            rule.destination.effectiveSelector(policyNamespace: "default")?.description
                == "(projectcalico.org/namespace == \"default\" && (pcsa.role == \"x\" && projectcalico.org/serviceaccount in {\"api.v2\", \"web\"}))"
        )
        #expect(try Self.rule("{action: Allow, destination: {serviceAccounts: {}}}").destination.serviceAccounts == nil)
    }

    @Test func `a service is of the policy's namespace unless it says so`() throws {
        let rule = try Self.rule("{action: Allow, destination: {services: {name: web}}}")
        #expect(rule.destination.services == ServiceMatch(name: "web"))
        let other = try Self.rule("{action: Allow, protocol: TCP, destination: {services: {name: web, namespace: shop}}}")
        #expect(other.destination.services == ServiceMatch(name: "web", namespace: "shop"))
    }

    @Test(arguments: [
        "nets: [192.0.2.0/24]", "notNets: [192.0.2.0/24]", "selector: all()", "notSelector: has(x)", "namespaceSelector: all()",
        "serviceAccounts: {names: [a]}", "ports: [80]", "notPorts: [80]", "domains: [a.example.org]",
    ])
    func `a service stands alone in the destination of an egress rule`(other: String) {
        let found = errors(
            policy("types: [Egress]\negress: [{action: Allow, protocol: TCP, destination: {services: {name: web}, \(other)}}]"))
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains("cannot stand beside") == true)
    }

    @Test(arguments: [
        ("ingress", "source", "ports: [80]", true), ("ingress", "source", "notPorts: [80]", true),
        ("ingress", "source", "nets: [192.0.2.0/24]", false), ("ingress", "destination", nil, false), ("egress", "source", nil, false),
        ("ingress", "source", nil, true), ("egress", "destination", nil as String?, true),
    ])
    func `where a service may stand`(direction: String, half: String, other: String?, isValid: Bool) {
        let entity = "{services: {name: web}\(other.map { ", \($0)" } ?? "")}"
        let found = errors(policy("\(direction): [{action: Allow, protocol: TCP, \(half): \(entity)}]"))
        #expect(found.isEmpty == isValid, "\(found)")
    }

    @Test func `a global policy names the namespace of a service`() {
        let spec = { (service: String) in "types: [Egress]\negress: [{action: Allow, destination: {services: \(service)}}]" }
        #expect(
            errors(resource("GlobalNetworkPolicy", "{name: p}", spec("{name: web}"))) == [
                "spec.egress[0].destination.services: a policy without namespace must name that of the service (add \"namespace\")"
            ])
        #expect(errors(resource("GlobalNetworkPolicy", "{name: p}", spec("{name: web, namespace: default}"))) == [])
    }

    @Test(arguments: [
        ("selector: ''", nil), ("namespaceSelector: ''", nil), ("namespaceSelector: global()", "!has(projectcalico.org/namespace)"),
        ("namespaceSelector: all()", "has(projectcalico.org/namespace)"),
        ("namespaceSelector: projectcalico.org/name == 'shop'", "pcns.projectcalico.org/name == \"shop\""),
        ("selector: all()", "(projectcalico.org/namespace == \"default\" && all())"),
        ("notSelector: has(x)", "projectcalico.org/namespace == \"default\""),
        ("namespaceSelector: global(), selector: role == 'x'", "(!has(projectcalico.org/namespace) && role == \"x\")" as String?),
    ])
    func `what a rule selects`(half: String, selector: String?) throws {
        let rule = try Self.rule("{action: Deny, destination: {\(half)}}")
        #expect(rule.destination.effectiveSelector(policyNamespace: "default")?.description == selector)
    }

    @Test(arguments: [
        ("selector: app == 'a'", "(app == \"a\" && projectcalico.org/namespace == \"default\")"),
        ("serviceAccountSelector: role == 'x'", "(projectcalico.org/namespace == \"default\" && pcsa.role == \"x\")"),
        ("serviceAccountSelector: all()", "(projectcalico.org/namespace == \"default\" && has(projectcalico.org/serviceaccount))"),
        ("serviceAccountSelector: ''", "projectcalico.org/namespace == \"default\""),
        (
            "serviceAccountSelector: projectcalico.org/name == 'web'",
            "(projectcalico.org/namespace == \"default\" && pcsa.projectcalico.org/name == \"web\")"
        ),
    ])
    func `whom a policy applies to`(spec: String, selector: String) throws {
        let policy = try #require(load(policy("types: [Egress]\n\(spec)")).resources.policies.first)
        #expect(policy.effectiveSelector.description == selector)
    }

    @Test(arguments: [
        ("doNotTrack: false\npreDNAT: false\napplyOnForward: false", true), ("applyOnForward: true", true),
        ("doNotTrack: true\napplyOnForward: true", true), ("preDNAT: true\napplyOnForward: true", true),
        ("doNotTrack: true\napplyOnForward: true\ntypes: [Egress]", false), ("preDNAT: true\napplyOnForward: true\ntypes: [Egress]", false),
        ("doNotTrack: true\napplyOnForward: true\negress: [{action: Allow}]\ntypes: [Ingress]", false),
        ("doNotTrack: true", false), ("preDNAT: true\napplyOnForward: false", false),
        ("doNotTrack: true\npreDNAT: true\napplyOnForward: true", false),
    ])
    func `untracked and pre-DNAT policies are for ingress, which is not enforced`(spec: String, isValid: Bool) {
        #expect(errors(resource("GlobalNetworkPolicy", "{name: p}", spec)).isEmpty == isValid, "\(spec)")
    }

    @Test func `applyOnForward is kept`() throws {
        let loaded = load(resource("GlobalNetworkPolicy", "{name: p}", "types: [Egress]\napplyOnForward: true"))
        #expect(try #require(loaded.resources.policies.first).appliesOnForward)
    }

    @Test func `HTTP may stand in Allow rules for ingress`() {
        #expect(errors(policy("ingress: [{action: Allow, http: {methods: [GET, PUT], paths: [{exact: /a}, {prefix: /b}]}}]")) == [])
        #expect(
            errors(policy("egress: [{action: Allow, http: {methods: [GET]}}]")).first?
                .hasPrefix("spec.egress[0].http: HTTP requests cannot be matched in a rule for egress") == true)
    }
}
