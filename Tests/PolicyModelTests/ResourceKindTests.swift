import NetworkTypes
import PolicyModel
import Testing

/// Source: docs.tigera.io, Calico, the pages of the resource kinds; Kubernetes API reference for Namespace, ServiceAccount, EndpointSlice.
struct ResourceKindTests {
    @Test(arguments: [
        ("", NetworkPolicy.StagedAction.set), ("stagedAction: Set", .set), ("stagedAction: Learn", .learn),
        ("stagedAction: Ignore", .ignore),
        ("stagedAction: Delete", .delete),
    ])
    func `staged policies carry their action`(field: String, action: NetworkPolicy.StagedAction) throws {
        let spec = field + (action == .delete ? "" : "\nselector: app == 'a'\ntypes: [Egress]")
        for (kind, metadata) in [("StagedNetworkPolicy", "{name: p, namespace: default}"), ("StagedGlobalNetworkPolicy", "{name: p}")] {
            let loaded = load(resource(kind, metadata, spec))
            #expect(!loaded.diagnostics.containsError, "\(loaded.diagnostics)")
            let policy = try #require(loaded.resources.policies.first)
            #expect(policy.kind.rawValue == kind)
            #expect(policy.stagedAction == action)
        }
    }

    @Test func `an enforced policy and a staged one may share a name`() {
        let (resources, diagnostics) = load(
            policy("types: [Egress]") + "\n---\n"
                + resource("StagedNetworkPolicy", "{name: p, namespace: default}", "types: [Egress]\negress: [{action: Allow}]"))
        #expect(diagnostics.map(\.description) == [])
        #expect(resources.policies.map(\.stagedAction) == [nil, .set])
    }

    @Test(arguments: [
        ("Delete", "default", "default", nil), ("Set", "default", "default", nil), ("Set", "default", "kube-admin", "stages a change in"),
        ("Delete", "default", "kube-admin", "stages a change in"), ("Delete", nil, "default", "to delete"),
        ("Set", nil as String?, "default", nil as String?),
    ])
    func `a staged change that meets nothing is warned of`(action: String, enforced: String?, tier: String, expected: String?) {
        var yaml = resource("StagedGlobalNetworkPolicy", "{name: p}", "stagedAction: \(action)\ntier: \(tier)")
        if action == "Set" { yaml += "\n  types: [Egress]" }
        if let enforced { yaml += "\n---\n" + resource("GlobalNetworkPolicy", "{name: p}", "tier: \(enforced)\ntypes: [Egress]") }
        let found = warnings(yaml)
        #expect(found.count == (expected == nil ? 0 : 1), "\(found)")
        if let expected { #expect(found.first?.contains(expected) == true, "\(found)") }
    }

    @Test(arguments: [
        ("kube-admin", 1_000.0, Tier.DefaultAction.pass), ("kube-baseline", 10_000_000, .pass), ("adminnetworkpolicy", 1_000, .pass),
        ("baselineadminnetworkpolicy", 10_000_000, .pass),
    ])
    func `the tiers that Calico makes exist as soon as they are named`(name: String, order: Double, action: Tier.DefaultAction) {
        let (resources, diagnostics) = load(resource("GlobalNetworkPolicy", "{name: p}", "tier: \(name)\ntypes: [Egress]"))
        #expect(diagnostics.map(\.description) == [])
        #expect(resources.tiers.first { $0.name == name } == Tier(name: name, order: order, defaultAction: action))
        #expect(load(policy("types: [Egress]")).resources.tiers == [.default])
    }

    @Test func `a host endpoint is decoded`() throws {
        let spec = """
            node: node-1
            interfaceName: eth0
            expectedIPs: [192.0.2.1, "2001:db8::1"]
            profiles: [projectcalico-default-allow]
            ports:
              - {name: ssh, protocol: TCP, port: 22}
              - {name: ssh, protocol: UDP, port: 22}
            """
        let (resources, diagnostics) = load(resource("HostEndpoint", "{name: node-1-eth0, labels: {role: node}}", spec))
        #expect(diagnostics.map(\.description) == [])
        let endpoint = try #require(resources.hostEndpoints.first)
        #expect(endpoint.identity == "hostendpoint:node-1-eth0")
        #expect(endpoint.node == "node-1")
        #expect(endpoint.interfaceName == "eth0")
        #expect(endpoint.expectedIPs.map(\.description) == ["192.0.2.1", "2001:db8::1"])
        #expect(endpoint.profiles == ["projectcalico-default-allow"])
        #expect(
            endpoint.ports == [NamedPort(name: "ssh", protocol: .tcp, port: 22), NamedPort(name: "ssh", protocol: .udp, port: 22)])
        #expect(LabelContext(resources).labels(of: endpoint) == ["role": "node"])
    }

    @Test(
        arguments: [
            ("1000", .users(1_000...1_000)), ("\"0\"", .users(0...0)), ("1000-1999", .users(1_000...1_999)),
            ("backup", .userName("backup")), ("_apt", .userName("_apt")),
        ] as [(String, ProcessClass)])
    func `a host endpoint stands for processes`(value: String, expected: ProcessClass) throws {
        let metadata = "{name: h, labels: {role: job}, annotations: {exeat.io/uid: \(value.hasPrefix("\"") ? value : "\"\(value)\"")}}"
        let (resources, diagnostics) = load(resource("HostEndpoint", metadata, "{node: node-1, interfaceName: \"*\"}"))
        #expect(diagnostics.map(\.description) == [])
        let endpoint = try #require(resources.hostEndpoints.first)
        #expect(endpoint.processes == expected)
        #expect(endpoint.labels == ["role": "job", "exeat.io/uid": expected.text])
    }

    @Test(arguments: [
        ("exeat.io/uid: \"\"", "is no user"), ("exeat.io/uid: \"9-1\"", "is no user"), ("exeat.io/uid: \"-1\"", "is no user"),
        ("exeat.io/uid: \"4294967295\"", "is no user"), ("exeat.io/uid: \"1-2-3\"", "is no user"), ("exeat.io/uid: \"a b\"", "is no user"),
        ("exeat.io/cgroup: \"\"", "is no cgroup"), ("exeat.io/cgroup: \"/system.slice\"", "is no cgroup"),
        ("exeat.io/cgroup: \"a/../b\"", "is no cgroup"), ("exeat.io/cgroup: \"a//b\"", "is no cgroup"),
        ("exeat.io/cgroup: \"a b\"", "is no cgroup"),
        ("exeat.io/cgroup: \"a\", exeat.io/uid: \"1\"", "stands beside the other of the two"),
    ])
    func `other processes than those of users and cgroups are errors`(annotation: String, message: String) {
        let found = errors(resource("HostEndpoint", "{name: h, annotations: {\(annotation)}}", "{node: node-1, interfaceName: \"*\"}"))
        #expect(found.count == 1 && found[0].contains(message), "\(found)")
    }

    @Test(arguments: [
        ("system.slice/backup.service", "system.slice/backup.service"), ("backup.service", "system.slice/backup.service"),
        ("user.slice", "user.slice"), ("jobs", "jobs"), (".service", ".service"),
    ])
    func `a host endpoint stands for the processes of a cgroup, or of a unit`(value: String, path: String) throws {
        let metadata = "{name: h, annotations: {exeat.io/cgroup: \"\(value)\"}}"
        let (resources, diagnostics) = load(resource("HostEndpoint", metadata, "{node: node-1, interfaceName: \"*\"}"))
        #expect(diagnostics.map(\.description) == [])
        let endpoint = try #require(resources.hostEndpoints.first)
        #expect(endpoint.processes == .cgroup(path))
        #expect(endpoint.labels == ["exeat.io/cgroup": path])
    }

    @Test(arguments: [("a", "a/b", true), ("a/b", "a", true), ("a/b", "a/bc", false), ("a", "a", true)])
    func `a cgroup belongs to one class, with those below it`(first: String, second: String, overlaps: Bool) {
        func endpoint(_ name: String, _ path: String) -> String {
            resource("HostEndpoint", "{name: \(name), annotations: {exeat.io/cgroup: \"\(path)\"}}", "{node: node-1, interfaceName: \"*\"}")
        }
        #expect(errors(endpoint("a", first) + "\n---\n" + endpoint("b", second)).count == (overlaps ? 1 : 0))
    }

    @Test func `a user belongs to one class of a node, which has no addresses`() {
        func endpoint(_ name: String, _ users: String, _ spec: String = "{node: node-1, interfaceName: \"*\"}") -> String {
            resource("HostEndpoint", "{name: \(name), annotations: {exeat.io/uid: \"\(users)\"}}", spec)
        }
        let other = "{node: node-2, interfaceName: \"*\"}"
        #expect(errors(endpoint("a", "1-5") + "\n---\n" + endpoint("b", "6") + "\n---\n" + endpoint("c", "3", other)).isEmpty)
        let overlap = errors(endpoint("a", "1-5") + "\n---\n" + endpoint("b", "5-7"))
        #expect(overlap.count == 1 && overlap[0].contains("belong to the host endpoint a already"), "\(overlap)")
        for spec in ["{node: node-1, interfaceName: eth0}", "{node: node-1, interfaceName: \"*\", expectedIPs: [192.0.2.1]}"] {
            #expect(errors(endpoint("a", "1", spec)).contains { $0.contains("must have interfaceName \"*\"") }, "\(spec)")
        }
        let many = (0...14).map { endpoint("h\($0)", "\($0)") }.joined(separator: "\n---\n")
        let found = errors(many)
        #expect(found.count == 1 && found[0].contains("a node can have 14"), "\(found)")
        #expect(errors(resource("GlobalNetworkPolicy", "{name: p, annotations: {exeat.io/uid: \"1\"}}", "types: [Egress]")).count == 1)
    }

    @Test func `the ports of a workload are named, those that are forwarded only need no name`() throws {
        let spec = """
            interfaceName: veth0
            ipNetworks: [192.0.2.10/32]
            ports:
              - {name: http, protocol: tcp, port: 8080}
              - {protocol: TCP, port: 9090, hostPort: 80, hostIP: 192.0.2.1}
            """
        let (resources, diagnostics) = load(resource("WorkloadEndpoint", "{name: w, namespace: default}", spec))
        #expect(diagnostics.map(\.description) == [])
        #expect(try #require(resources.endpoints.first).ports == [NamedPort(name: "http", protocol: .tcp, port: 8080)])
    }

    @Test func `a profile gives labels and rules`() throws {
        let yaml =
            resource(
                "Profile", "{name: dev-apps}", "labelsToApply: {stage: development, app: none}\negress: [{action: Allow}, {action: Deny}]")
            + "\n---\n"
            + resource(
                "WorkloadEndpoint", "{name: w, namespace: default, labels: {app: shop}}",
                "interfaceName: veth0\nipNetworks: [192.0.2.10]\nprofiles: [dev-apps, kns.default, ksa.default.web]")
        let (resources, diagnostics) = load(yaml)
        #expect(diagnostics.map(\.description) == [])
        #expect(try #require(resources.profiles.first).egress.map(\.action) == [.allow, .deny])
        let labels = LabelContext(resources).labels(of: try #require(resources.endpoints.first))
        #expect(labels["stage"] == "development")
        #expect(labels["app"] == "shop")
    }

    @Test func `a profile that is not there is an error`() {
        let yaml = resource(
            "WorkloadEndpoint", "{name: w, namespace: default}", "interfaceName: veth0\nipNetworks: [192.0.2.10]\nprofiles: [dev-aps]")
        #expect(
            errors(yaml) == [
                "spec.profiles[0]: there is no profile \"dev-aps\" (define it; kns.NAMESPACE, ksa.NAMESPACE.ACCOUNT and "
                    + "projectcalico-default-allow exist by themselves)"
            ])
        #expect(
            errors(yaml + "\n---\n" + resource("Profile", "{name: dev-apps}", "{}")).first?.contains("did you mean \"dev-apps\"?") == true)
    }

    @Test func `workloads and host endpoints share no address`() {
        let yaml =
            resource("WorkloadEndpoint", "{name: w, namespace: default}", "interfaceName: veth0\nipNetworks: [192.0.2.10]") + "\n---\n"
            + resource("HostEndpoint", "{name: h}", "node: node-1\ninterfaceName: eth0\nexpectedIPs: [192.0.2.10]")
        #expect(errors(yaml) == ["spec.expectedIPs[0]: the address 192.0.2.10 already belongs to the endpoint default/w (at t.yaml:1:1)"])
    }

    @Test func `what Felix is told is taken over`() throws {
        let spec = """
            failsafeOutboundHostPorts:
              - {protocol: tcp, port: 22, net: 192.0.2.0/24}
              - {protocol: UDP, port: 53, net: ""}
              - {protocol: sctp, port: 0, net: 0.0.0.0/0}
            failsafeInboundHostPorts: []
            defaultEndpointToHostAction: Return
            nftablesFilterDenyAction: Reject
            dnsExtraTTL: 1m30.5s
            dnsTrustedServers: [192.0.2.53, "192.0.2.53:5353", "[2001:db8::53]:53", "2001:db8::53", "k8s-service:kube-dns", "k8s-service:a/b:53"]
            vxlanPort: 0
            """
        let (resources, diagnostics) = load(resource("FelixConfiguration", "{name: default}", spec))
        #expect(diagnostics.count == 2 && !diagnostics.containsError, "of two services no slice is known: \(diagnostics)")
        let felix = try #require(resources.felixConfigurations.first)
        #expect(
            felix.failsafeOutboundHostPorts == [
                .init(protocol: .tcp, port: 22, net: IPPrefix(parsing: "192.0.2.0/24")), .init(protocol: .udp, port: 53),
                .init(protocol: .sctp, port: 0),
            ])
        #expect(felix.failsafeInboundHostPorts == [])
        #expect(felix.defaultEndpointToHostAction == .return)
        #expect(felix.filterDenyAction == .reject)
        #expect(felix.dnsExtraTTLSeconds == 91)
        #expect(felix.dnsTrustedServers?.count == 6)
        #expect(felix.vxlanPort == 8472)
        #expect(felix.ignoredFields == [])
    }

    @Test func `what Felix is told and has no effect is said`() throws {
        let (resources, diagnostics) = load(
            resource(
                "FelixConfiguration", "{name: node.node-1}", "bpfEnabled: true\ndnsPolicyMode: NoDelay\nhealthTimeoutOverrides: [{name: x}]"
            ))
        #expect(diagnostics.allSatisfy { $0.severity == .warning && $0.message == "has no effect here" })
        #expect(
            try #require(resources.felixConfigurations.first).ignoredFields == ["bpfEnabled", "dnsPolicyMode", "healthTimeoutOverrides"])
        #expect(
            errors(resource("FelixConfiguration", "{name: default}", "failsafeOutboundHostPort: []")) == [
                "spec.failsafeOutboundHostPort: unknown field \"failsafeOutboundHostPort\" (did you mean \"failsafeOutboundHostPorts\"?)"
            ])
    }

    @Test(arguments: [
        ("90s", true), ("1m30s", true), ("0", true), ("\"0\"", true), ("1.5h", true), ("500ms", true), ("5", false), ("5 s", false),
        ("-5s", false), ("s", false), ("1d", false), (".s", false), ("9999999999h", false), ("[]", false),
    ])
    func `durations are written as in Go`(text: String, isValid: Bool) {
        #expect(errors(resource("FelixConfiguration", "{name: default}", "dnsExtraTTL: \(text)")).isEmpty == isValid)
    }

    @Test func `namespaces and service accounts give labels to what is theirs`() throws {
        let yaml =
            """
            apiVersion: v1
            kind: Namespace
            metadata: {name: shop, labels: {team: web, kubernetes.io/metadata.name: shop}, creationTimestamp: null}
            spec: {finalizers: [kubernetes]}
            status: {phase: Active}
            ---
            apiVersion: v1
            kind: ServiceAccount
            metadata: {name: web, namespace: shop, labels: {role: front}}
            secrets: []
            automountServiceAccountToken: false
            ---

            """
            + resource(
                "WorkloadEndpoint", "{name: w, namespace: shop}", "interfaceName: veth0\nipNetworks: [192.0.2.10]\nserviceAccountName: web")
        let (resources, diagnostics) = load(yaml)
        #expect(diagnostics.map(\.description) == [])
        let labels = LabelContext(resources).labels(of: try #require(resources.endpoints.first))
        #expect(labels["pcns.team"] == "web")
        #expect(labels["pcsa.role"] == "front")
        #expect(labels["pcsa.projectcalico.org/name"] == "web")
    }

    @Test func `an orchestrator that is empty is one that is not given`() throws {
        let spec = "interfaceName: veth0\nipNetworks: [192.0.2.10]\norchestrator: \"\""
        let (resources, diagnostics) = load(resource("WorkloadEndpoint", "{name: w, namespace: shop}", spec))
        #expect(diagnostics.map(\.description) == [])
        let labels = LabelContext(resources).labels(of: try #require(resources.endpoints.first))
        #expect(labels["projectcalico.org/orchestrator"] == "k8s")
    }

    @Test func `nobody gives himself the labels of a namespace or a service account`() throws {
        let labels = "labels: {app: a, pcns.team: web, pcsa.role: front}"
        let yaml = [
            resource("WorkloadEndpoint", "{name: w, namespace: shop, \(labels)}", "interfaceName: veth0\nipNetworks: [192.0.2.10]"),
            resource("HostEndpoint", "{name: h, \(labels)}", "node: node-1\nexpectedIPs: [192.0.2.11]"),
            resource("GlobalNetworkSet", "{name: g, \(labels)}", "nets: [192.0.2.12]"),
            resource("NetworkSet", "{name: s, namespace: shop, \(labels)}", "nets: [192.0.2.13]"),
        ].joined(separator: "\n---\n")
        let (resources, diagnostics) = load(yaml)
        #expect(!diagnostics.containsError)
        #expect(diagnostics.filter { $0.message == "has no effect" }.count == 8, "\(diagnostics)")
        let context = LabelContext(resources)
        let seen =
            resources.endpoints.map { context.labels(of: $0) } + resources.hostEndpoints.map { context.labels(of: $0) }
            + resources.networkSets.map { context.labels(of: $0) }
        #expect(seen.count == 4)
        for labels in seen {
            #expect(labels["app"] == "a")
            #expect(labels["pcns.team"] == nil && labels["pcsa.role"] == nil)
        }
        #expect(seen[0]["pcns.projectcalico.org/name"] == "shop")
    }

    @Test func `an EndpointSlice is decoded as a cluster prints it`() throws {
        let yaml = """
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata:
              generateName: web-
              name: web-x7k2p
              namespace: shop
              labels: {kubernetes.io/service-name: web}
              ownerReferences: [{apiVersion: v1, kind: Service, name: web}]
            addressType: IPv4
            endpoints:
              - addresses: [192.0.2.20]
                conditions: {ready: true, serving: true, terminating: false}
                nodeName: node-1
                targetRef: {kind: Pod, name: web-0}
                zone: null
              - addresses: [192.0.2.21, 192.0.2.20]
            ports:
              - {name: http, protocol: TCP, port: 8080, appProtocol: null}
              - {name: "", port: 9090}
            """
        let (resources, diagnostics) = load(yaml)
        #expect(diagnostics.map(\.description) == [])
        let slice = try #require(resources.serviceEndpoints.first)
        #expect(slice.service == "web")
        #expect(slice.addresses.map(\.description) == ["192.0.2.20", "192.0.2.21"])
        #expect(slice.ports == [NamedPort(name: "http", protocol: .tcp, port: 8080), NamedPort(name: "", protocol: .tcp, port: 9090)])
    }

    @Test func `the internal form is read with one warning a file, its names without the tier`() throws {
        let yaml = """
            apiVersion: crd.projectcalico.org/v1
            kind: NetworkPolicy
            metadata: {name: default.web, namespace: shop, annotations: {projectcalico.org/metadata: '{"uid":"1"}'}}
            spec: {tier: default, types: [Egress]}
            ---
            apiVersion: crd.projectcalico.org/v1
            kind: GlobalNetworkPolicyList
            items:
              - {metadata: {name: kube-admin.all}, spec: {tier: kube-admin, types: [Egress]}}
            """
        let (resources, diagnostics) = load(yaml)
        #expect(
            diagnostics.map(\.description) == [
                "t.yaml:1:13: warning: apiVersion: crd.projectcalico.org/v1 is Calico's internal form, read as projectcalico.org/v3 "
                    + "(write projectcalico.org/v3)"
            ])
        #expect(resources.policies.map(\.identity) == ["shop/web", "kube-admin.all"])
    }

    @Test(arguments: [
        ("v1", "Pod", "a WorkloadEndpoint of projectcalico.org/v3 describes a pod"),
        ("v1", "PodList", "a WorkloadEndpoint of projectcalico.org/v3 describes a pod"),
        ("apps/v1", "Deployment", "leave it out of the policy files"),
        ("v1", "Secret", "leave it out of the policy files"),
        ("v1", "NetworkPolicy", "that is a kind of projectcalico.org/v3"),
        (
            "policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy",
            "ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2 took its place"
        ),
        ("cilium.io/v2alpha1", "CiliumNetworkPolicy", "CiliumNetworkPolicy is read as cilium.io/v2"),
        ("projectcalico.org/v3", "GlobalNetworkPolcy", "did you mean \"GlobalNetworkPolicy\"?"),
    ])
    func `other objects of a cluster are refused with what to do`(version: String, kind: String, hint: String) {
        let found = load("apiVersion: \(version)\nkind: \(kind)\nmetadata: {name: x}\n").diagnostics
        #expect(found.count == 1 && found.first?.severity == .error)
        #expect(found.first?.hint == hint, "\(found)")
    }

    @Test func `a Kubernetes policy of the same name is another resource`() {
        let calico = ResourceKey(.networkPolicy, namespace: "default", name: "p")
        let kubernetes = ResourceKey(.kubernetesNetworkPolicy, namespace: "default", name: "p")
        #expect(calico != kubernetes)
        #expect(kubernetes.description == "NetworkPolicy (networking.k8s.io) default/p")
        let yaml =
            policy("types: [Egress]") + "\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
            + "metadata: {name: p, namespace: default}\nspec: {podSelector: {}, policyTypes: [Egress]}\n"
        #expect(!errors(yaml).contains { $0.contains("defined twice") })
    }
}
