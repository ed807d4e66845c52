import PolicyModel
import Testing

/// `cilium.io/v2` (docs.cilium.io, "Layer 3 Policies", "Layer 4 Policies", "Deny Policies", "Policy Enforcement Modes").
struct DialectCiliumTests {
    private static let pod = "has(projectcalico.org/orchestrator)"
    private static let outside = "notSelector \(pod)"

    /// Without warnings of what every policy with prefixes is told.
    private static func policies(_ file: DialectFile, _ spec: String) -> [NetworkPolicy] {
        let (resources, diagnostics) = file.load(spec)
        #expect(!diagnostics.containsError, "\(diagnostics)")
        return resources.policies
    }

    @Test(arguments: [
        // What docs.cilium.io calls default deny: a section with rules, be they empty.
        ("egress: [{}]", ["cilium.shop.web default 1000.0 Egress"]),
        ("ingress: [{}]", ["cilium.shop.web default 1000.0 Ingress"]),
        ("ingress: [{}]\negress: [{}]", ["cilium.shop.web default 1000.0 Egress+Ingress"]),
        ("egress: []", []),
        ("egressDeny: [{toEntities: [all]}]", ["cilium-deny.shop.web default -1000000000.0 Egress"]),
        (
            "egress: [{}]\negressDeny: [{toEntities: [all]}]",
            ["cilium.shop.web default 1000.0 Egress", "cilium-deny.shop.web default -1000000000.0 Egress"]
        ),
        ("egress: [{}]\nenableDefaultDeny: {egress: false}", ["cilium.shop.web default 1000.0 Egress no-default"]),
        (
            "egress: [{}]\negressDeny: [{toEntities: [all]}]\nenableDefaultDeny: {egress: false}",
            ["cilium.shop.web default 1000.0 Egress no-default", "cilium-deny.shop.web default -1000000000.0 Egress no-default"]
        ),
        ("enableDefaultDeny: {egress: true}", ["cilium.shop.web default 1000.0 Egress"]),
        ("enableDefaultDeny: {egress: true, ingress: true}", ["cilium.shop.web default 1000.0 Egress+Ingress"]),
        (
            "egress: [{}]\ningress: [{}]\nenableDefaultDeny: {ingress: false}",
            ["cilium.shop.web default 1000.0 Egress", "cilium-ingress.shop.web default 1000.0 Ingress no-default"]
        ),
    ])
    func `default deny is what the sections and the field say`(sections: String, heads: [String]) {
        #expect(Self.policies(.cilium, "endpointSelector: {}\n" + sections).map(DialectText.head) == heads)
    }

    @Test(arguments: [
        (DialectFile.cilium, "{}", #"(\#(pod) && projectcalico.org/namespace == "shop")"#),
        (
            .cilium, "{matchLabels: {app: web, 'k8s:tier': a, 'any:zone': b}}",
            #"(\#(pod) && projectcalico.org/namespace == "shop" && app == "web" && tier == "a" && zone == "b")"#
        ),
        (
            .cilium, "{matchLabels: {'k8s:io.kubernetes.pod.namespace': shop}}",
            #"(\#(pod) && projectcalico.org/namespace == "shop" && projectcalico.org/namespace == "shop")"#
        ),
        (.clusterwide, "{}", pod),
        (
            .clusterwide, "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [kube-system]}]}",
            #"(\#(pod) && projectcalico.org/namespace not in {"kube-system"})"#
        ),
        (
            .clusterwide, "{matchLabels: {'k8s:io.cilium.k8s.namespace.labels.example.org/team': a}}",
            #"(\#(pod) && pcns.example.org/team == "a")"#
        ),
        (
            .clusterwide, "{matchLabels: {io.cilium.k8s.policy.serviceaccount: robot}}",
            #"(\#(pod) && projectcalico.org/serviceaccount == "robot")"#
        ),
    ])
    func `the endpoint selector sees labels of pods, namespaces and accounts`(file: DialectFile, selector: String, expected: String) {
        let policies = Self.policies(file, "endpointSelector: \(selector)\negress: [{}]")
        #expect(policies.map(\.effectiveSelector.description) == [expected])
        #expect(policies.map(\.namespace) == [nil])
    }

    @Test(arguments: [
        // Nothing, and everything.
        ("{}", []),
        ("{toEntities: [all]}", ["Allow"]),
        ("{toEntities: [world]}", ["Allow to [\(outside)]"]),
        ("{toEntities: [world-ipv4, world-ipv6]}", ["Allow to [nets 0.0.0.0/0, \(outside)]", "Allow to [nets ::/0, \(outside)]"]),
        // Endpoints: of the policy's namespace unless they say otherwise.
        ("{toEndpoints: [{}]}", [#"Allow to [selector (\#(pod) && projectcalico.org/namespace == "shop")]"#]),
        (
            "{toEndpoints: [{matchLabels: {app: db}}, {matchLabels: {'k8s:io.kubernetes.pod.namespace': other, app: db}}]}",
            [
                #"Allow to [selector (\#(pod) && projectcalico.org/namespace == "shop" && app == "db")]"#,
                #"Allow to [selector (\#(pod) && app == "db" && projectcalico.org/namespace == "other")]"#,
            ]
        ),
        (
            "{toEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}]}",
            ["Allow to [selector (\(pod) && has(projectcalico.org/namespace))]"]
        ),
        (
            "{toEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.team: a}}]}",
            [#"Allow to [selector (\#(pod) && pcns.team == "a")]"#]
        ),
        // Prefixes: never pods.
        (
            "{toCIDR: [192.0.2.1, 198.51.100.0/24, '2001:db8::/32']}",
            ["Allow to [nets 192.0.2.1/32 198.51.100.0/24, \(outside)]", "Allow to [nets 2001:db8::/32, \(outside)]"]
        ),
        (
            "{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}, {cidr: 198.51.100.0/24}, {cidr: 203.0.113.0/24}]}",
            [
                "Allow to [nets 198.51.100.0/24 203.0.113.0/24, \(outside)]",
                "Allow to [nets 192.0.2.0/24, notNets 192.0.2.0/28, \(outside)]",
            ]
        ),
        (
            "{toFQDNs: [{matchName: api.example.org}, {matchPattern: '*.example.net'}]}",
            ["Allow to [\(outside), domains api.example.org *.example.net]"]
        ),
        (
            "{toServices: [{k8sService: {serviceName: db, namespace: data}}]}", ["Allow to [service data/db]"]
        ),
        // Ports.
        ("{toPorts: [{ports: [{port: '443', protocol: TCP}]}]}", ["Allow TCP ports 443"]),
        ("{toPorts: [{ports: [{port: '443'}]}]}", ["Allow TCP ports 443", "Allow UDP ports 443", "Allow SCTP ports 443"]),
        ("{toPorts: [{ports: [{port: '8000', endPort: 8100, protocol: tcp}]}]}", ["Allow TCP ports 8000:8100"]),
        ("{toPorts: [{ports: [{port: '0', protocol: UDP}]}]}", ["Allow UDP"]),
        ("{toPorts: [{ports: [{port: Web, protocol: TCP}]}]}", ["Allow TCP ports web"]),
        (
            "{toPorts: [{ports: [{port: '1', protocol: TCP}]}, {ports: [{port: '2', protocol: TCP}, {port: '3', protocol: SCTP}]}]}",
            ["Allow TCP ports 1 2", "Allow SCTP ports 3"]
        ),
        (
            "{toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: '443', protocol: TCP}]}]}",
            ["Allow TCP to [nets 192.0.2.0/24, \(outside)] ports 443"]
        ),
        (
            "{toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system}}], toPorts: [{ports: [{port: '53', protocol: ANY}], rules: {dns: [{matchPattern: '*'}]}}]}",
            ["TCP", "UDP", "SCTP"].map {
                #"Allow \#($0) to [selector (\#(pod) && projectcalico.org/namespace == "kube-system")] ports 53"#
            }
        ),
        // ICMP.
        ("{icmps: [{fields: [{type: 8}, {family: IPv6, type: EchoRequest}]}]}", ["Allow ICMP type 8", "Allow ICMPv6 type 128"]),
        (
            "{toCIDR: [192.0.2.0/24], icmps: [{fields: [{type: EchoRequest, family: IPv4}]}]}",
            ["Allow ICMP type 8 to [nets 192.0.2.0/24, \(outside)]"]
        ),
    ])
    func `egress rules are translated`(rule: String, lines: [String]) {
        let policies = Self.policies(.cilium, "endpointSelector: {}\negress: [\(rule)]")
        #expect(policies.flatMap(\.egress).map(DialectText.line) == lines)
        #expect(policies.count == 1)
    }

    @Test(arguments: [
        ("{toEntities: [world]}", ["Deny to [\(outside)]"]),
        ("{toCIDRSet: [{cidr: 192.0.2.0/24}]}", ["Deny to [nets 192.0.2.0/24, \(outside)]"]),
        (
            "{toEndpoints: [{}], toPorts: [{ports: [{port: '25', protocol: TCP}]}]}",
            [#"Deny TCP to [selector (\#(pod) && projectcalico.org/namespace == "shop")] ports 25"#]
        ),
        ("{toPorts: [{ports: [{port: '25', protocol: TCP}]}]}", ["Deny TCP ports 25"]),
        ("{}", []),
    ])
    func `denials are translated`(rule: String, lines: [String]) {
        let policies = Self.policies(.cilium, "endpointSelector: {}\negressDeny: [\(rule)]")
        #expect(policies.flatMap(\.egress).map(DialectText.line) == lines)
    }

    @Test(arguments: [
        ("{fromEndpoints: [{}]}", [#"Allow from [selector (\#(pod) && has(projectcalico.org/namespace))]"#]),
        ("{fromEntities: [all], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}", ["Allow TCP ports 80"]),
        ("{fromCIDR: [192.0.2.0/24]}", ["Allow from [nets 192.0.2.0/24, \(outside)]"]),
        (
            "{fromCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/25]}]}",
            ["Allow from [nets 192.0.2.0/24, notNets 192.0.2.0/25, \(outside)]"]
        ),
        ("{fromEntities: [world]}", ["Allow from [\(outside)]"]),
    ])
    func `ingress rules are kept, their peers as sources`(rule: String, lines: [String]) {
        let policies = Self.policies(.clusterwide, "endpointSelector: {}\ningress: [\(rule)]")
        #expect(policies.flatMap(\.ingress).map(DialectText.line) == lines)
        #expect(policies.map(\.types) == [[.ingress]])
    }

    @Test func `each of several specs is a policy`() {
        let specs = "- {endpointSelector: {}, egress: [{}]}\n- {endpointSelector: {matchLabels: {a: b}}, egressDeny: [{toEntities: [all]}]}"
        let (resources, diagnostics) = load(DialectFile.clusterwide.yaml(specs, top: "specs"))
        #expect(diagnostics == [])
        #expect(resources.policies.map(\.name) == ["cilium-clusterwide.web#0", "cilium-clusterwide-deny.web#1"])
        #expect(Set(resources.policies.map(\.key)).count == 2)
    }

    @Test(arguments: [
        ("{toCIDR: [192.0.2.0/24]}\n  - {toEntities: [world]}", ["spec.egress[0].toCIDR: nodes, and pods"]),
        ("{toFQDNs: [{matchPattern: '*'}]}", ["spec.egress[0].toFQDNs[0].matchPattern: matches names of every owner"]),
        ("{toServices: [{k8sService: {serviceName: db, namespace: data}}]}", ["no EndpointSlice is known for the service data/db"]),
    ])
    func `what differs is warned of once`(rule: String, warnings: [String]) {
        let found = DialectFile.cilium.load("endpointSelector: {}\negress:\n  - \(rule)").diagnostics.map(\.description)
        #expect(found.count == warnings.count, "\(found)")
        for warning in warnings { #expect(found.contains { $0.contains("warning: ") && $0.contains(warning) }, "\(found)") }
    }

    @Test func `rules for DNS say what may be asked for`() {
        let dns = "{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: a.example.org}, {matchPattern: '*.example.net'}]}}]}"
        let plain = Self.policies(.cilium, "endpointSelector: {}\negress: [{toFQDNs: [{matchName: a.example.org}]}]")
        #expect(plain.map(\.queryPolicy) == [nil] && plain[0].queryNames.isEmpty)
        let limited = Self.policies(.cilium, "endpointSelector: {}\negress: [\(dns)]")
        #expect(limited.map(\.queryPolicy) == [.allowed])
        #expect(limited[0].queryNames.map(\.description) == ["a.example.org", "*.example.net [matchPattern]"])
        // Each rule of several for itself.
        let several = load(
            DialectFile.cilium.yaml("- {endpointSelector: {}, egress: [\(dns)]}\n- {endpointSelector: {}, egress: [{}]}", top: "specs"))
        #expect(several.diagnostics.isEmpty)
        #expect(several.resources.policies.map(\.queryPolicy) == [.allowed, nil])
    }

    @Test func `a name longer than names can be opens nothing`() {
        let label = String(repeating: "a", count: 63)
        let name = [label, label, label, label].joined(separator: ".")
        for rule in ["{matchName: \(name)}", "{matchPattern: \(name)}"] {
            let (resources, diagnostics) = DialectFile.cilium.load("endpointSelector: {}\negress: [{toFQDNs: [\(rule)]}]")
            #expect(diagnostics.map(\.severity) == [.warning])
            #expect(resources.policies.map(\.egress) == [[]])
            #expect(resources.policies.map(\.impliesDefault) == [true])
        }
    }
}
