import NetworkTypes
import PolicyModel
import Testing

struct PolicyDecodingTests {
    @Test func `a whole policy is decoded`() throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata:
              name: security.web
              labels: {team: platform}
              annotations: {example.org/owner: platform}
              resourceVersion: "12"
              creationTimestamp: null
            spec:
              tier: security
              order: 10.5
              selector: app == "shop"
              namespaceSelector: has(kubernetes.io/metadata.name)
              types: [Egress]
              egress:
                - action: Allow
                  ipVersion: 4
                  protocol: TCP
                  source: {nets: [192.0.2.0/24]}
                  destination:
                    notNets: [198.51.100.0/24]
                    notSelector: role == "db"
                    ports: [443, "8000:9000"]
                  metadata: {annotations: {note: x}}
                - action: Deny
                  protocol: 17
                  notProtocol: UDP
            ---
            apiVersion: projectcalico.org/v3
            kind: Tier
            metadata: {name: security}
            spec: {order: 100, defaultAction: Pass}
            """
        let (resources, diagnostics) = load(yaml)
        #expect(diagnostics.map(\.description) == [])
        let policy = try #require(resources.policies.first)
        #expect(policy.name == "security.web")
        #expect(policy.namespace == nil)
        #expect(policy.tier == "security")
        #expect(policy.order == 10.5)
        #expect(policy.types == [.egress])
        #expect(policy.annotations == ["example.org/owner": "platform"])
        #expect(policy.location == SourceLocation(file: "t.yaml", line: 1, column: 1))
        #expect(policy.effectiveSelector.description == "(app == \"shop\" && has(pcns.kubernetes.io/metadata.name))")
        let rule = try #require(policy.egress.first)
        #expect(rule.protocol == .tcp)
        #expect(rule.ipVersion == .v4)
        #expect(rule.source.nets.map(\.description) == ["192.0.2.0/24"])
        #expect(rule.destination.ports.map(\.description) == ["443", "8000:9000"])
        #expect(rule.destination.notNets.map(\.description) == ["198.51.100.0/24"])
        #expect(rule.annotations == ["note": "x"])
        #expect(rule.location?.line == 16)
        #expect(policy.egress.last?.protocol == .udp)
        #expect(resources.tiers.map(\.name) == ["security", "default"])
        #expect(resources.tiers.map(\.defaultAction) == [.pass, .deny])
    }

    @Test func `domains are decoded in policies and sets`() throws {
        let yaml =
            policy(
                """
                types: [Egress]
                egress:
                  - action: Allow
                    protocol: TCP
                    destination:
                      domains: [api.example.org, "*.cdn.example.net"]
                      ports: [443]
                """) + """

                ---
                apiVersion: projectcalico.org/v3
                kind: NetworkSet
                metadata: {name: s, namespace: default, labels: {role: api}}
                spec: {nets: [192.0.2.1, "2001:db8::/32"], allowedEgressDomains: [files.example.test]}
                """
        let (resources, diagnostics) = load(yaml)
        #expect(diagnostics.map(\.description) == [])
        #expect(resources.policies.first?.egress.first?.destination.domains.map(\.description) == ["api.example.org", "*.cdn.example.net"])
        let set = try #require(resources.networkSets.first)
        #expect(set.nets.map(\.description) == ["192.0.2.1/32", "2001:db8::/32"])
        #expect(set.allowedEgressDomains.map(\.description) == ["files.example.test"])
        #expect(LabelContext(resources).labels(of: set)["projectcalico.org/namespace"] == "default")
    }

    @Test func `an endpoint is decoded`() throws {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: WorkloadEndpoint
            metadata: {name: shop-1, namespace: default, uid: "0a1b", labels: {app: shop}}
            spec:
              orchestrator: k8s
              node: node-1
              pod: shop-1
              endpoint: eth0
              serviceAccountName: web
              interfaceName: cali0123456789a
              ipNetworks: [192.0.2.10/32, "2001:db8::10"]
              profiles: [kns.default]
            """
        let (resources, diagnostics) = load(yaml)
        #expect(diagnostics.map(\.description) == [])
        let endpoint = try #require(resources.endpoints.first)
        #expect(endpoint.identity == "default/shop-1/0a1b")
        #expect(endpoint.addresses.map(\.description) == ["192.0.2.10", "2001:db8::10"])
        #expect(endpoint.interfaceName == "cali0123456789a")
        #expect(LabelContext(resources).labels(of: endpoint)["app"] == "shop")
        #expect(LabelContext(resources).labels(of: endpoint)["pcns.projectcalico.org/name"] == "default")
        #expect(LabelContext(resources).labels(of: endpoint)["projectcalico.org/serviceaccount"] == "web")
    }

    @Test(arguments: [
        ("selector: all()", [PolicyType.ingress]),
        ("egress: [{action: Allow}]", [.egress]),
        ("ingress: [{action: Allow}]", [.ingress]),
        ("ingress: [{action: Allow}]\negress: [{action: Allow}]", [.ingress, .egress]),
        ("types: [Egress]\ningress: [{action: Allow}]", [.egress]),
    ])
    func `types default after the rules`(spec: String, types: [PolicyType]) throws {
        let policy = try #require(load(policy(spec)).resources.policies.first)
        #expect(policy.types == Set(types))
        #expect(policy.selector == .all)
    }

    @Test func `lists hold resources, and lists of one kind may leave the kind out`() {
        let yaml = """
            apiVersion: v1
            kind: List
            metadata: {resourceVersion: ""}
            items:
              - apiVersion: projectcalico.org/v3
                kind: Tier
                metadata: {name: one}
              - apiVersion: projectcalico.org/v3
                kind: GlobalNetworkPolicyList
                items:
                  - metadata: {name: two}
                    spec: {tier: one, types: [Egress]}
            """
        let (resources, diagnostics) = load(yaml)
        #expect(diagnostics.map(\.description) == [])
        #expect(resources.policies.map(\.name) == ["two"])
        #expect(resources.tiers.map(\.name) == ["one", "default"])
    }

    @Test(arguments: [
        ("selecter: all()", "t.yaml:6:3: error: spec.selecter: unknown field \"selecter\" (did you mean \"selector\"?)"),
        ("types: [Egress]\ntypes: [Egress]", "t.yaml:7:3: error: spec.types: the key \"types\" is here twice (first at line 6)"),
        ("types: [Egress]\norder: high", "t.yaml:7:10: error: spec.order: must be a number, not \"high\""),
        ("types: [Egress]\norder: .inf", "t.yaml:7:10: error: spec.order: must be a finite decimal number, not .inf"),
        ("types: [Egress]\ntier: 5", "t.yaml:7:9: error: spec.tier: must be a text, not a number (quote it: \"5\")"),
        ("types: [Egress]\ntier: nowhere", "t.yaml:7:9: error: spec.tier: there is no tier \"nowhere\" (known tiers: default)"),
        (
            "types: [Egress]\nselector: app =\"x\"",
            "t.yaml:7:13: error: spec.selector: bad selector: a single = is no operator, write ==, at character 5"
        ),
        ("types: [Egress]\nselector:", "t.yaml:7:3: error: spec.selector: has no value (an empty field would count as absent"),
        (
            "egress:\n  - action: Allow\n    icmp: {type: 8}",
            "t.yaml:8:13: error: spec.egress[0].icmp: needs the protocol ICMP or ICMPv6 (add \"protocol: ICMP\" to the rule)"
        ),
        (
            "egress:\n  - {action: Allow, destination: {ports: [443]}}",
            "t.yaml:7:44: error: spec.egress[0].destination.ports: ports need a protocol (add \"protocol: TCP\", UDP or SCTP to the rule)"
        ),
        (
            "egress:\n  - {action: Allow, protocol: TCP, destination: {ports: [80-90]}}",
            "t.yaml:7:60: error: spec.egress[0].destination.ports[0]: \"80-90\" is no port (write 443, \"8000:9000\" or the name of a port)"
        ),
        (
            "egress:\n  - {action: Deny, destination: {domains: [a.example.org]}}",
            "t.yaml:7:45: error: spec.egress[0].destination.domains: domains may stand only in an Allow rule, this one is Deny"
        ),
        (
            "egress:\n  - action: Allow\n    destination:\n      domains: [\"www.g*.example.org\"]",
            "t.yaml:9:19: error: spec.egress[0].destination.domains[0]: "
        ),
        (
            "egress:\n  - {action: Allow, ports: [443]}",
            "t.yaml:7:23: error: spec.egress[0].ports: unknown field \"ports\" (belongs under source or destination)"
        ),
    ])
    func `a mistake is named with its place, field and remedy`(spec: String, expected: String) throws {
        let (resources, diagnostics) = load(policy(spec))
        let errors = diagnostics.filter { $0.severity == .error }
        #expect(errors.count == 1, "\(errors)")
        #expect(errors.first?.description.hasPrefix(expected) == true, "\(errors)")
        if !expected.contains("there is no tier") { #expect(resources.policies.isEmpty) }
    }

    @Test(arguments: [
        ("version: 1", "must be a text, not a number (quote it: \"1\")"),
        ("version: 1.0", "must be a text, not a number (quote it: \"1.0\")"),
        ("version: 0x1f", "must be a text, not a number (quote it: \"0x1f\")"),
        ("version: 1_000", "must be a text, not a number (quote it: \"1_000\")"),
        ("version: 1e3", "must be a text, not a number (quote it: \"1e3\")"),
        ("version: true", "must be a text, not a truth value (quote it: \"true\")"),
        ("version: yes", "must be a text, not a truth value (quote it: \"yes\")"),
        ("version: [a]", "must be a text, not a list (write one text)"),
        ("version: null", "must be a text, not nothing (write \"\" for an empty text)"),
        ("version: \"1\"", nil),
        ("version: !!str 1", nil),
        ("version: 1.2.3", nil),
        ("version: v1", nil),
        ("version: 2024-01-01", nil),
        ("version: -", nil as String?),
    ])
    func `a label value must be a text`(label: String, message: String?) {
        let yaml = """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkSet
            metadata:
              name: s
              labels:
                \(label == "version: -" ? "version: ''" : label)
            """
        let (_, diagnostics) = load(yaml)
        #expect(diagnostics.map(\.description) == (message.map { ["t.yaml:6:14: error: metadata.labels.version: \($0)"] } ?? []))
    }

    @Test func `findings across resources name both places`() {
        let endpoint = { (name: String) in
            """
            apiVersion: projectcalico.org/v3
            kind: WorkloadEndpoint
            metadata: {name: \(name), namespace: default}
            spec: {interfaceName: veth0, ipNetworks: [192.0.2.10/32]}
            ---

            """
        }
        #expect(
            load(endpoint("a") + endpoint("b")).diagnostics.map(\.description) == [
                "t.yaml:9:43: error: spec.ipNetworks[0]: the address 192.0.2.10 already belongs to the endpoint default/a (at t.yaml:1:1)"
            ])
        #expect(
            load(endpoint("a") + endpoint("a")).diagnostics.map(\.description).first
                == "t.yaml:8:18: error: metadata.name: WorkloadEndpoint default/a is defined twice (first at t.yaml:3:18)")
    }

    @Test func `a tier with a mistake of its own is not called unknown as well`() {
        let tier = "\n---\napiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: security}\nspec: {order: x}\n"
        let errors = load(policy("types: [Egress]\ntier: security") + tier).diagnostics
        #expect(errors.count == 1)
        #expect(errors.first?.field == "spec.order")
    }

    @Test func `the number of findings kept is bounded`() {
        var problems = DiagnosticList()
        for _ in 0..<5_000 { problems.error(at: nil, field: "x", "y") }
        #expect(problems.diagnostics.count == DiagnosticList.capacityMax)
        #expect(problems.errorCount == 5_000)
    }
}
