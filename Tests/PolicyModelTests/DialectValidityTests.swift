import PolicyModel
import Testing

/// What each dialect refuses, and what cannot be kept: the error names field and reason.
struct DialectValidityTests {
    private static func check(
        _ file: DialectFile, _ spec: String, _ expected: String, sourceLocation: Testing.SourceLocation = #_sourceLocation
    ) {
        let (resources, diagnostics) = file.load(spec)
        let errors = diagnostics.filter { $0.severity == .error }.map { "\($0.field): \($0.message)" }
        #expect(errors.contains { $0.contains(expected) }, "\(errors)", sourceLocation: sourceLocation)
        #expect(errors.count == 1, "\(errors)", sourceLocation: sourceLocation)
        #expect(resources.policies.isEmpty && resources.networkSets.isEmpty, sourceLocation: sourceLocation)
    }

    @Test(arguments: [
        ("podSelector: {matchLabels: {app: 'a b'}}", "spec.podSelector.matchLabels.app: \"a b\" is no valid label value"),
        ("podSelector: {matchLabels: {'a b': x}}", "is no valid label name"),
        ("podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}", "matchExpressions[0].operator: \"in\" is not one of"),
        ("podSelector: {matchExpressions: [{key: a, operator: In}]}", "matchExpressions[0]: In needs values"),
        (
            "podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
            "matchExpressions[0].values: Exists takes no values"
        ),
        ("podSelector: {matchExpressions: [{operator: Exists}]}", "matchExpressions[0].key: is required"),
        ("podSelector: {}\npolicyTypes: [egress]", "spec.policyTypes[0]: \"egress\" is not one of Ingress, Egress"),
        ("podSelector: {}\nselector: all()", "spec.selector: unknown field"),
        ("podSelector: {}\nstagedAction: Set", "spec.stagedAction: unknown field"),
        ("podSelector: {}\negress: [{from: []}]", "spec.egress[0].from: unknown field"),
        ("podSelector: {}\negress: [{action: Deny}]", "spec.egress[0].action: unknown field"),
        ("podSelector: {}\negress: [{to: [{}]}]", "spec.egress[0].to[0]: an empty peer says nothing"),
        (
            "podSelector: {}\negress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}, podSelector: {}}]}]",
            "to[0].podSelector: cannot stand beside ipBlock"
        ),
        ("podSelector: {}\negress: [{to: [{ipBlock: {cidr: 192.0.2.1}}]}]", "ipBlock.cidr: \"192.0.2.1\" has no prefix length"),
        ("podSelector: {}\negress: [{to: [{ipBlock: {cidr: 192.0.2.0/33}}]}]", "is no address or prefix"),
        ("podSelector: {}\negress: [{to: [{ipBlock: {except: []}}]}]", "ipBlock.cidr: is required"),
        (
            "podSelector: {}\negress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [198.51.100.0/25]}}]}]",
            "except[0]: 198.51.100.0/25 is no part of 192.0.2.0/24"
        ),
        (
            "podSelector: {}\negress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/24]}}]}]",
            "except[0]: 192.0.2.0/24 is no part of 192.0.2.0/24"
        ),
        ("podSelector: {}\negress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: ['2001:db8::/32']}}]}]", "is no part of"),
        ("podSelector: {}\negress: [{ports: [{port: 0}]}]", "ports[0].port: must be an integer from 1 to 65535"),
        ("podSelector: {}\negress: [{ports: [{port: 65536}]}]", "ports[0].port: must be an integer from 1 to 65535"),
        ("podSelector: {}\negress: [{ports: [{port: '443'}]}]", "ports[0].port: \"443\" is no valid name of a port"),
        ("podSelector: {}\negress: [{ports: [{port: Web}]}]", "ports[0].port: \"Web\" is no valid name of a port"),
        ("podSelector: {}\negress: [{ports: [{port: a-very-long-name}]}]", "is no valid name of a port"),
        ("podSelector: {}\negress: [{ports: [{port: web, endPort: 90}]}]", "ports[0].endPort: goes with a port number"),
        ("podSelector: {}\negress: [{ports: [{endPort: 90}]}]", "ports[0].endPort: needs port"),
        ("podSelector: {}\negress: [{ports: [{port: 90, endPort: 80}]}]", "ports[0].endPort: the range ends at 80"),
        ("podSelector: {}\negress: [{ports: [{protocol: tcp}]}]", "ports[0].protocol: \"tcp\" is not one of TCP, UDP, SCTP"),
        ("podSelector: {}\negress: [{ports: [{protocol: ICMP}]}]", "ports[0].protocol: \"ICMP\" is not one of"),
    ])
    func `a bad Kubernetes policy is refused`(spec: String, error: String) { Self.check(.kubernetes, spec, error) }

    @Test(arguments: [
        ("stagedAction: Delete\npodSelector: {}", "spec.podSelector: has no place beside stagedAction: Delete"),
        ("stagedAction: Remove\npodSelector: {}", "spec.stagedAction: \"Remove\" is not one of"),
    ])
    func `a bad staged Kubernetes policy is refused`(spec: String, error: String) { Self.check(.staged, spec, error) }

    private static let clusterHead = "tier: Admin\npriority: 1\nsubject: {namespaces: {}}\n"

    @Test(arguments: [
        ("priority: 1\nsubject: {namespaces: {}}", "spec.tier: is required"),
        ("tier: admin\npriority: 1\nsubject: {namespaces: {}}", "spec.tier: \"admin\" is not one of Admin, Baseline"),
        ("tier: Admin\nsubject: {namespaces: {}}", "spec.priority: is required"),
        ("tier: Admin\npriority: 1001\nsubject: {namespaces: {}}", "spec.priority: must be an integer from 0 to 1000"),
        ("tier: Admin\npriority: 1", "spec.subject: is required"),
        ("tier: Admin\npriority: 1\nsubject: {}", "spec.subject: must have exactly one of namespaces, pods"),
        (
            "tier: Admin\npriority: 1\nsubject: {namespaces: {}, pods: {namespaceSelector: {}, podSelector: {}}}",
            "spec.subject: must have exactly one of"
        ),
        ("tier: Admin\npriority: 1\nsubject: {pods: {podSelector: {}}}", "spec.subject.pods.namespaceSelector: is required"),
        (clusterHead + "egress: [{to: [{namespaces: {}}]}]", "spec.egress[0].action: is required"),
        (clusterHead + "egress: [{action: Allow, to: [{namespaces: {}}]}]", "\"Allow\" is not one of Accept, Deny, Pass"),
        (clusterHead + "egress: [{action: Deny}]", "spec.egress[0].to: is required"),
        (clusterHead + "egress: [{action: Deny, to: []}]", "spec.egress[0].to: must not be empty"),
        (clusterHead + "egress: [{action: Deny, to: [{}]}]", "to[0]: must have exactly one of namespaces, pods, nodes"),
        (clusterHead + "egress: [{action: Deny, to: [{nodes: {}}]}]", "to[0].nodes: nodes cannot be selected"),
        (clusterHead + "egress: [{action: Deny, to: [{networks: []}]}]", "to[0].networks: must not be empty"),
        (clusterHead + "egress: [{action: Deny, to: [{networks: [192.0.2.1]}]}]", "networks[0]: \"192.0.2.1\" has no prefix length"),
        (
            clusterHead + "egress: [{action: Deny, to: [{domainNames: [a.example.org]}]}]",
            "to[0].domainNames: names may stand only in an Accept rule, this one is Deny"
        ),
        (
            clusterHead + "egress: [{action: Pass, to: [{domainNames: [a.example.org]}]}]",
            "to[0].domainNames: names may stand only in an Accept rule, this one is Pass"
        ),
        (
            clusterHead + "egress: [{action: Accept, to: [{domainNames: [a.*.example.org]}]}]",
            "domainNames[0]: \"a.*.example.org\" is no domain name or pattern"
        ),
        (
            clusterHead + "egress: [{action: Accept, to: [{networks: [192.0.2.0/24]}], protocols: [{destinationNamedPort: web}]}]",
            "to[0].networks: has no named ports"
        ),
        (clusterHead + "egress: [{action: Accept, to: [{namespaces: {}}], protocols: []}]", "protocols: must not be empty"),
        (clusterHead + "egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {}}]}]", "tcp.destinationPort: is required"),
        (
            clusterHead + "egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {}}}]}]",
            "destinationPort: must have exactly one of number, range"
        ),
        (
            clusterHead
                + "egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 5, end: 5}}}}]}]",
            "range: start must be less than end"
        ),
        (clusterHead + "egress: [{action: Accept, to: [{namespaces: {}}], ports: []}]", "egress[0].ports: unknown field"),
        (clusterHead + "ingress: [{action: Deny, from: [{networks: [192.0.2.0/24]}]}]", "from[0].networks: unknown field"),
        (
            clusterHead + "egress: [\(Array(repeating: "{action: Deny, to: [{namespaces: {}}]}", count: 26).joined(separator: ", "))]",
            "spec.egress: has 26 rules, 25 are allowed"
        ),
    ])
    func `a bad ClusterNetworkPolicy is refused`(spec: String, error: String) { Self.check(.cluster, spec, error) }

    @Test(arguments: [
        ("egress: [{}]", "spec.endpointSelector: is required"),
        ("nodeSelector: {}\negress: [{}]", "spec.nodeSelector: rules for nodes are not read"),
        ("podSelector: {}\nendpointSelector: {}", "spec.podSelector: unknown field"),
        (
            "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': other}}\negress: [{}]",
            "spec.endpointSelector: a CiliumNetworkPolicy is for pods of its own namespace \"shop\", not of \"other\""
        ),
        ("endpointSelector: {matchLabels: {'reserved:host': ''}}\negress: [{}]", "labels of the source \"reserved\" are not known here"),
        ("endpointSelector: {matchLabels: {'container:x': y}}\negress: [{}]", "labels of the source \"container\" are not known here"),
        ("endpointSelector: {matchLabels: {io.cilium.k8s.policy.cluster: a}}\negress: [{}]", "other clusters are not known here"),
        ("endpointSelector: {}\nenableDefaultDeny: {egress: yes}", "spec.enableDefaultDeny.egress: must be true or false"),
        ("endpointSelector: {}\negress: [{toRequires: [{}]}]", "toRequires: requirements that bear on all other rules"),
        ("endpointSelector: {}\negress: [{toGroups: [{}]}]", "toGroups: groups of a cloud provider"),
        ("endpointSelector: {}\negress: [{toNodes: [{}]}]", "toNodes: nodes cannot be selected"),
        ("endpointSelector: {}\negress: [{authentication: {mode: required}}]", "authentication: mutual authentication is not known"),
        ("endpointSelector: {}\negress: [{fromCIDR: [192.0.2.0/24]}]", "egress[0].fromCIDR: unknown field"),
        (
            "endpointSelector: {}\negress: [{toCIDR: [192.0.2.0/24], toEntities: [world]}]",
            "toEntities: cannot stand beside toCIDR"
        ),
        (
            "endpointSelector: {}\negress: [{toFQDNs: [{matchName: a.example.org}], toCIDRSet: [{cidr: 192.0.2.0/24}]}]",
            "toFQDNs: cannot stand beside toCIDRSet"
        ),
        (
            "endpointSelector: {}\negress: [{toServices: [{k8sService: {serviceName: a, namespace: b}}], toPorts: [{ports: [{port: '1'}]}]}]",
            "toPorts: cannot stand beside toServices"
        ),
        (
            "endpointSelector: {}\negress: [{icmps: [{fields: [{type: 8}]}], toPorts: [{ports: [{port: '1'}]}]}]",
            "icmps: cannot stand beside toPorts"
        ),
        ("endpointSelector: {}\negress: [{toEndpoints: []}]", "toEndpoints: an empty list selects nothing"),
        ("endpointSelector: {}\negress: [{toPorts: []}]", "toPorts: an empty list selects nothing"),
        ("endpointSelector: {}\negress: [{toEntities: [cluster]}]", "toEntities[0]: the entity \"cluster\" holds nodes"),
        ("endpointSelector: {}\negress: [{toEntities: [kube-apiserver]}]", "the entity \"kube-apiserver\" is not known here"),
        ("endpointSelector: {}\negress: [{toEntities: [word]}]", "unknown entity \"word\""),
        ("endpointSelector: {}\negress: [{toCIDRSet: [{cidrGroupRef: a}]}]", "cidrGroupRef: a CiliumCIDRGroup is not read"),
        ("endpointSelector: {}\negress: [{toCIDRSet: [{cidr: 192.0.2.1}]}]", "cidr: \"192.0.2.1\" has no prefix length"),
        (
            "endpointSelector: {}\negress: [{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.0.0/16]}]}]",
            "except[0]: 192.0.0.0/16 is no part of 192.0.2.0/24"
        ),
        ("endpointSelector: {}\negress: [{toServices: [{k8sServiceSelector: {}}]}]", "labels of services are not known here"),
        ("endpointSelector: {}\negress: [{toServices: [{k8sService: {serviceName: a}}]}]", "k8sService: must name the namespace"),
        ("endpointSelector: {}\negress: [{toFQDNs: [{}]}]", "toFQDNs[0]: must have exactly one of matchName, matchPattern"),
        ("endpointSelector: {}\negress: [{toFQDNs: [{matchName: '*.example.org'}]}]", "\"*\" cannot stand in a matchName"),
        ("endpointSelector: {}\negressDeny: [{toFQDNs: [{matchName: a.example.org}]}]", "egressDeny[0].toFQDNs: unknown field"),
        (
            "endpointSelector: {}\negressDeny: [{toServices: [{k8sService: {serviceName: a, namespace: b}}]}]",
            "toServices: services cannot be denied"
        ),
        (
            "endpointSelector: {}\negressDeny: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}]",
            "toPorts[0].rules: unknown field"
        ),
        ("endpointSelector: {}\negress: [{toPorts: [{ports: [{port: 443}]}]}]", "ports[0].port: must be a text, not a number"),
        ("endpointSelector: {}\negress: [{toPorts: [{ports: [{port: '65536'}]}]}]", "ports[0].port: \"65536\" is no port"),
        ("endpointSelector: {}\negress: [{toPorts: [{ports: [{port: '0'}]}]}]", "port: port 0 of any protocol"),
        ("endpointSelector: {}\negress: [{toPorts: [{ports: [{port: '80', protocol: ICMP}]}]}]", "\"ICMP\" is no protocol with ports"),
        ("endpointSelector: {}\negress: [{toPorts: [{ports: [{port: '80', endPort: 70}]}]}]", "endPort: the range ends at 70"),
        ("endpointSelector: {}\negress: [{toPorts: [{ports: [{port: web, endPort: 70}]}]}]", "endPort: goes with a port number"),
        ("endpointSelector: {}\negress: [{toPorts: [{rules: {dns: [{matchPattern: '*'}]}}]}]", "toPorts[0].ports: is required"),
        (
            "endpointSelector: {}\negress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}]",
            "rules.http: requests cannot be matched"
        ),
        (
            "endpointSelector: {}\negress: [{toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [a.example.org]}]}]",
            "serverNames: server names of TLS are not matched"
        ),
        (
            "endpointSelector: {}\ningress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}]",
            "rules.dns: may stand only in egress"
        ),
        ("endpointSelector: {}\negress: [{icmps: [{fields: []}]}]", "fields: must not be empty"),
        ("endpointSelector: {}\negress: [{icmps: [{fields: [{type: 256}]}]}]", "type: must be an integer from 0 to 255"),
        ("endpointSelector: {}\negress: [{icmps: [{fields: [{type: EchoRequst}]}]}]", "unknown type \"EchoRequst\" of IPv4"),
        ("endpointSelector: {}\negress: [{icmps: [{fields: [{family: ipv4, type: 8}]}]}]", "\"ipv4\" is not one of IPv4, IPv6"),
    ])
    func `a bad CiliumNetworkPolicy is refused`(spec: String, error: String) { Self.check(.cilium, spec, error) }

    @Test(arguments: [
        ("{}", "spec.egress: is required"),
        ("egress: [{to: {cidrSelector: 192.0.2.0/24}}]", "egress[0].type: is required"),
        ("egress: [{type: allow, to: {cidrSelector: 192.0.2.0/24}}]", "\"allow\" is not one of Allow, Deny"),
        ("egress: [{type: Deny}]", "egress[0].to: is required"),
        ("egress: [{type: Deny, to: {}}]", "egress[0].to: must have exactly one of"),
        ("egress: [{type: Deny, to: {cidrSelector: 192.0.2.0/24, dnsName: a.example.org}}]", "egress[0].to: must have exactly one of"),
        ("egress: [{type: Deny, to: {cidrSelector: 192.0.2.1}}]", "has no prefix length"),
        ("egress: [{type: Deny, to: {nodeSelector: {}}}]", "nodeSelector: nodes cannot be selected"),
        ("egress: [{type: Deny, to: {dnsName: 'a.*.example.org'}}]", "is no domain name or pattern"),
        ("egress: [{type: Deny, to: {cidrSelector: 192.0.2.0/24}, ports: [{protocol: TCP}]}]", "ports[0].port: is required"),
        ("egress: [{type: Deny, to: {cidrSelector: 192.0.2.0/24}, ports: [{port: 80}]}]", "ports[0].protocol: is required"),
        ("egress: [{type: Deny, to: {cidrSelector: 192.0.2.0/24}, ports: [{protocol: TCP, port: 0}]}]", "must be an integer from 1"),
        ("egress: [{type: Deny, to: {cidrSelector: 192.0.2.0/24}}]\npodSelector: {}", "spec.podSelector: unknown field"),
    ])
    func `a bad EgressFirewall is refused`(spec: String, error: String) { Self.check(.firewall, spec, error) }

    @Test func `an EgressFirewall is called default`() {
        let (resources, diagnostics) = load(DialectFile.firewall.yaml("egress: []", name: "other"))
        #expect(diagnostics.map(\.field) == ["metadata.name"])
        #expect(resources.policies.isEmpty)
    }

    @Test(arguments: [
        ("addresses: [192.0.2.1]", "spec.hosts: is required"),
        ("hosts: []", "spec.hosts: must not be empty"),
        ("hosts: ['*']", "hosts[0]: \"*\" is every name"),
        ("hosts: ['a.*.example.org']", "\"*\" must be the first label"),
        ("hosts: ['*a.example.org']", "\"*\" must be a whole label"),
        ("hosts: ['*.*.example.org']", "only one \"*\" may stand in a pattern"),
        ("hosts: ['192.0.2.1']", "is no domain name or pattern"),
        ("hosts: [a.example.org]\naddresses: [a]", "addresses[0]: \"a\" is no address or prefix"),
        ("hosts: [a.example.org]\naddresses: [192.0.2.0/24]\nresolution: DNS", "addresses[0]: 192.0.2.0/24 is a range"),
        ("hosts: [a.example.org]\nresolution: dns", "spec.resolution: \"dns\" is not one of"),
        ("hosts: [a.example.org]\nlocation: OUTSIDE", "spec.location: \"OUTSIDE\" is not one of"),
        ("hosts: [a.example.org]\nendpoints: [{address: 192.0.2.1}]", "spec.endpoints: endpoints are addresses"),
        ("hosts: [a.example.org]\nworkloadSelector: {labels: {a: b}}", "spec.workloadSelector: a set holds no pods"),
        ("hosts: [a.example.org]\nports: [{number: 0, name: a}]", "ports[0].number: must be an integer from 1"),
        ("hosts: [a.example.org]\nports: [{number: 1, name: a, protocol: HTPT}]", "unknown protocol \"HTPT\""),
        ("hosts: [a.example.org]\nexportTo: ['a b']", "exportTo[0]: \"a b\" is no namespace"),
    ])
    func `a bad ServiceEntry is refused`(spec: String, error: String) { Self.check(.entry, spec, error) }

    @Test(arguments: [DialectFile.kubernetes, .cluster, .cilium, .clusterwide])
    func `denying by name needs a policy that can name domains in denials`(file: DialectFile) {
        let spec: String
        switch file {
        case .cluster: spec = Self.clusterHead
        case .cilium, .clusterwide: spec = "endpointSelector: {}\negress: [{}]"
        default: spec = "podSelector: {}\npolicyTypes: [Egress]"
        }
        let (_, diagnostics) = file.load(spec, metadata: ", annotations: {exeat.io/deny-domains: \"true\"}")
        #expect(diagnostics.filter { $0.severity == .error }.map(\.field) == ["metadata.annotations[exeat.io/deny-domains]"])
    }

    @Test(arguments: [DialectFile.kubernetes, .staged, .cluster, .cilium, .clusterwide, .firewall, .entry])
    func `a resource without spec is refused`(file: DialectFile) {
        let yaml = file.yaml("").split(separator: "\n").prefix(3).joined(separator: "\n")
        #expect(load(yaml).diagnostics.map(\.field) == ["spec"])
    }

    @Test(arguments: [DialectFile.kubernetes, .staged, .cluster, .cilium, .clusterwide, .firewall, .entry])
    func `nonsense in any field is an error and no crash`(file: DialectFile) {
        let fields = [
            "podSelector", "egress", "ingress", "policyTypes", "subject", "tier", "priority", "endpointSelector", "egressDeny",
            "enableDefaultDeny", "hosts", "addresses", "ports", "exportTo",
        ]
        let values = ["5", "text", "[]", "{}", "[[]]", "[{}]", "[5]", "{a: b}", "[{to: 5}]", "[{to: [[]]}]", "[{toPorts: [{ports: 5}]}]"]
        for field in fields {
            for value in values {
                // No expectation but that it comes back: most are errors, some are allowed.
                _ = file.load("\(field): \(value)")
            }
        }
        #expect(file.load("5").diagnostics.containsError)
        #expect(file.load("[]").diagnostics.containsError)
    }
}
