import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel
import Testing

/// What the kinds of resources and their fields mean, made in code. Sources: docs.tigera.io, the pages of NetworkPolicy, StagedNetworkPolicy,
/// Tier, Profile, HostEndpoint, NetworkSet, FelixConfiguration; DESIGN for what goes beyond Calico.
struct SemanticsTests {
    private static let address = IPAddress(v4: 0xc633_6401)
    private static let outside = IPAddress(v4: 0xc000_0209)

    private static func pattern(_ text: String) throws -> DomainPattern { try DomainPattern(parsing: text, dialect: .calico) }

    private static func endpoint(
        _ name: String, _ labels: [String: String] = [:], last: UInt32, profiles: [String] = [], ports: [NamedPort] = []
    ) -> WorkloadEndpoint {
        WorkloadEndpoint(
            name: name, namespace: "default", labels: labels, addresses: [IPAddress(v4: 0xc633_6400 + last)], interfaceName: "cali\(last)",
            profiles: profiles, ports: ports)
    }

    private static func compile(_ resources: ResourceSet, _ options: PolicyOptions = PolicyOptions()) -> CompiledPolicy {
        var compiler = PolicyCompiler(options)
        var next: UInt32 = 0
        return compiler.compile(resources) { _ in
            next += 1
            return EndpointID(rawValue: next)
        }
    }

    /// "reason" or "reason rule" of a flow of the endpoint to `destination`, which it holds under `names`.
    private static func decide(
        _ policy: CompiledPolicy, _ name: String, _ destination: IPAddress, _ transport: TransportProtocol, _ port: UInt16 = 443,
        icmp: (UInt8, UInt8) = (0, 0), sourcePort: UInt16 = 40_000, as names: [String] = [], staged: Bool = false
    ) throws -> String {
        let position = try #require(policy.endpoints.firstIndex { $0.name == name })
        let endpoint = policy.endpoints[position]
        let flow = FlowTuple(
            source: endpoint.addresses[0], destination: destination, transport: transport, sourcePort: sourcePort, destinationPort: port,
            icmpType: icmp.0, icmpCode: icmp.1)
        let bindings = HeldNames(policy, client: endpoint.id, destination, try names.map { try DomainName(parsing: $0) })
        if staged {
            return try #require(policy.evaluateStaged(endpoint: position, flow, bindings: bindings)).reason.label
        }
        let decision = policy.evaluate(endpoint: position, flow, bindings: bindings)
        #expect(policy.explain(endpoint: position, flow, bindings: bindings).decision == decision)
        return decision.reason.label
    }

    private static func query(_ policy: CompiledPolicy, _ name: String, _ asked: String) throws -> String {
        let position = try #require(policy.endpoints.firstIndex { $0.name == name })
        var patterns: [PatternNumber] = []
        let asked = try DomainName(parsing: asked)
        policy.appendPatterns(matching: asked, to: &patterns)
        return switch policy.nameDecision(endpoint: position, name: asked, patterns: patterns) {
        case .open: "open"
        case .refused(let rule, let reason): "\(reason.label) \(policy.description(ofRule: rule).map(\.description) ?? "-")"
        }
    }

    private static func policy(
        _ name: String, tier: String = Tier.defaultName, order: Double? = nil, selector: String = "all()",
        staged: NetworkPolicy.StagedAction? = nil,
        impliesDefault: Bool = true, exclusive: Bool = false, deniesByName: Bool = false, _ egress: [PolicyRule]
    ) throws -> NetworkPolicy {
        NetworkPolicy(
            name: name, kind: staged == nil ? .globalNetworkPolicy : .stagedGlobalNetworkPolicy, tier: tier, order: order,
            selector: try Selector(parsing: selector), types: [.egress], egress: egress, stagedAction: staged,
            impliesDefault: impliesDefault,
            isExclusive: exclusive, deniesByName: deniesByName)
    }

    // MARK: Profiles and ends

    @Test func `profiles decide what no tier decided`() throws {
        let profile = Profile(
            name: "p",
            egress: [
                PolicyRule(action: .log), PolicyRule(action: .deny, protocol: .udp), PolicyRule(action: .pass, protocol: .icmp),
                PolicyRule(action: .allow),
            ])
        let policy = Self.compile(
            ResourceSet(
                policies: [try Self.policy("x", selector: "app == 'x'", [PolicyRule(action: .pass, protocol: .tcp)])],
                endpoints: [
                    Self.endpoint("p", last: 1, profiles: ["p"]), Self.endpoint("x", ["app": "x"], last: 2, profiles: ["gone", "p"]),
                    Self.endpoint("gone", last: 3, profiles: ["gone"]), Self.endpoint("kns", last: 4, profiles: ["kns.default"]),
                    Self.endpoint("ksa", last: 5, profiles: ["ksa.default.a"]), Self.endpoint("none", last: 6),
                ], profiles: [profile]))
        for (name, transport, expected) in [
            ("p", TransportProtocol.tcp, "profile_allow"), ("p", .udp, "profile_deny"), ("p", .icmp, "profile_deny"),
            ("x", .tcp, "profile_allow"),
            ("x", .udp, "tier_default_deny"), ("gone", .tcp, "profile_deny"), ("kns", .udp, "profile_allow"), ("ksa", .tcp, "profile_deny"),
            ("none", .tcp, "no_policy"),
        ] {
            #expect(try Self.decide(policy, name, Self.outside, transport) == expected, "\(name) \(transport)")
        }
        #expect(policy.endpoints.filter(\.isPoliced).map(\.name) == ["p", "x", "gone", "ksa"])
    }

    @Test func `failsafe port 53 means the trusted resolvers, which are open in any case`() throws {
        var felix = FelixConfiguration()
        felix.failsafeOutboundHostPorts = []
        let host = HostEndpoint(name: "node", node: "node-1", expectedIPs: [IPAddress(v4: 0xc633_6401)])
        let resolver = IPAddress(v4: 0xc000_0235)
        let options = PolicyOptions(trustedResolvers: [TrustedResolver(address: resolver), TrustedResolver(address: resolver, port: 5_353)])
        for configurations in [[], [felix]] {
            let policy = Self.compile(ResourceSet(hostEndpoints: [host], felixConfigurations: configurations), options)
            for (address, port, reason) in [
                (resolver, 53, "failsafe"), (resolver, 5_353, "failsafe"), (Self.outside, 53, "no_policy_deny"),
                (Self.outside, 5_353, "no_policy_deny"),
            ] as [(IPAddress, UInt16, String)] {
                for transport in [TransportProtocol.udp, .tcp] {
                    #expect(try Self.decide(policy, "node", address, transport, port) == reason, "\(address) \(transport) \(port)")
                }
            }
        }
    }

    @Test func `a resolver that is asked over TLS is open for TCP on its port and for nothing else`() throws {
        let host = HostEndpoint(name: "node", node: "node-1", expectedIPs: [IPAddress(v4: 0xc633_6401)])
        let resolver = IPAddress(v4: 0xc000_0235)
        let options = PolicyOptions(trustedResolvers: [TrustedResolver(address: resolver, port: 853, isSecure: true)])
        let policy = Self.compile(ResourceSet(hostEndpoints: [host]), options)
        for (address, transport, port, reason) in [
            (resolver, .tcp, 853, "failsafe"), (resolver, .udp, 853, "no_policy_deny"), (resolver, .udp, 53, "no_policy_deny"),
            (resolver, .tcp, 53, "no_policy_deny"), (Self.outside, .tcp, 853, "no_policy_deny"),
        ] as [(IPAddress, TransportProtocol, UInt16, String)] {
            #expect(try Self.decide(policy, "node", address, transport, port) == reason, "\(address) \(transport) \(port)")
        }
    }

    @Test func `dnsTrustedServers are trusted where a failsafe port 53 is`() throws {
        var felix = FelixConfiguration()
        felix.dnsTrustedServers = ["192.0.2.53", "192.0.2.54:5353", "[2001:db8::53]:53", "k8s-service:kube-system/kube-dns"]
        let host = HostEndpoint(name: "node", node: "node-1", expectedIPs: [IPAddress(v4: 0xc633_6401)])
        let policy = Self.compile(ResourceSet(hostEndpoints: [host], felixConfigurations: [felix]))
        #expect(try Self.decide(policy, "node", IPAddress(v4: 0xc000_0235), .udp, 53) == "failsafe")
        #expect(try Self.decide(policy, "node", IPAddress(v4: 0xc000_0236), .udp, 5_353) == "failsafe")
        #expect(try Self.decide(policy, "node", IPAddress(v4: 0xc000_0236), .udp, 53) == "no_policy_deny")
        #expect(try Self.decide(policy, "node", IPAddress(v4: 0xc000_0235), .tcp, 53) == "no_policy_deny", "the list has UDP alone")
        #expect(try Self.decide(policy, "node", Self.outside, .udp, 53) == "no_policy_deny")
    }

    @Test func `host endpoints are closed but for failsafe ports`() throws {
        var felix = FelixConfiguration()
        felix.failsafeOutboundHostPorts = [
            .init(protocol: .tcp, port: 22), .init(protocol: .udp, port: 53, net: IPPrefix(IPAddress(v4: 0xc000_0200), length: 30)),
        ]
        let host = HostEndpoint(name: "node", expectedIPs: [Self.address])
        let open = HostEndpoint(name: "open", expectedIPs: [IPAddress(v4: 0xc633_6402)], profiles: ["projectcalico-default-allow"])
        let deny = try Self.policy("d", selector: "has(closed)", [PolicyRule(action: .deny)])
        let byDefault = Self.compile(ResourceSet(policies: [deny], hostEndpoints: [host, open]))
        let configured = Self.compile(ResourceSet(policies: [deny], hostEndpoints: [host, open], felixConfigurations: [felix]))
        let within = IPAddress(v4: 0xc000_0201)
        #expect(try Self.decide(byDefault, "node", Self.outside, .tcp, 6443) == "failsafe")
        #expect(try Self.decide(byDefault, "node", Self.outside, .tcp, 22) == "no_policy_deny")
        #expect(try Self.decide(byDefault, "open", Self.outside, .tcp, 22) == "profile_allow")
        #expect(try Self.decide(configured, "node", Self.outside, .tcp, 22) == "failsafe")
        #expect(try Self.decide(configured, "node", Self.outside, .tcp, 6443) == "no_policy_deny")
        #expect(try Self.decide(configured, "node", within, .udp, 53) == "failsafe")
        #expect(try Self.decide(configured, "node", Self.outside, .udp, 53) == "no_policy_deny")
        #expect(try Self.decide(configured, "open", Self.outside, .udp, 4789) == "profile_allow")
        #expect(byDefault.endpoints[0].fingerprint != configured.endpoints[0].fingerprint)
    }

    @Test(
        arguments: [
            (nil, [22: "failsafe", 23: "no_policy_deny"]), ("a", [22: "no_policy_deny", 23: "failsafe"]),
            ("other", [22: "failsafe", 23: "no_policy_deny"]),
        ] as [(String?, [UInt16: String])])
    func `failsafe ports are those of this node, else those of all nodes`(node: String?, reasons: [UInt16: String]) throws {
        let configurations = [("default", UInt16(22)), ("node.a", 23), ("node.b", 24), ("zzz", 25)].map { name, port in
            var felix = FelixConfiguration(name: name)
            felix.failsafeOutboundHostPorts = [.init(protocol: .tcp, port: port)]
            return felix
        }
        let host = HostEndpoint(name: "node", expectedIPs: [Self.address])
        let resources = ResourceSet(hostEndpoints: [host], felixConfigurations: configurations)
        let policy = Self.compile(resources, PolicyOptions(node: node))
        for (port, reason) in reasons.merging([24: "no_policy_deny", 25: "no_policy_deny"], uniquingKeysWith: { $1 }) {
            #expect(try Self.decide(policy, "node", Self.outside, .tcp, port) == reason, "\(port)")
        }
    }

    @Test func `workloads do not encapsulate`() throws {
        let allow = try Self.policy("a", [PolicyRule(action: .allow)])
        var felix = FelixConfiguration()
        felix.vxlanPort = 4_000
        let standard = Self.compile(ResourceSet(policies: [allow], endpoints: [Self.endpoint("e", last: 1)]))
        let other = Self.compile(ResourceSet(policies: [allow], endpoints: [Self.endpoint("e", last: 1)], felixConfigurations: [felix]))
        #expect(try Self.decide(standard, "e", Self.outside, .udp, 4_789) == "encapsulation")
        #expect(try Self.decide(standard, "e", Self.outside, .tcp, 4_789) == "policy_allow")
        #expect(try Self.decide(standard, "e", Self.outside, TransportProtocol(rawValue: 4), 0) == "encapsulation")
        #expect(try Self.decide(other, "e", Self.outside, .udp, 4_789) == "policy_allow")
        #expect(try Self.decide(other, "e", Self.outside, .udp, 4_000) == "encapsulation")
    }

    @Test func `a policy that implies no default leaves its tier open`() throws {
        let rules = [PolicyRule(action: .deny, protocol: .udp)]
        let open = Self.compile(
            ResourceSet(policies: [try Self.policy("a", impliesDefault: false, rules)], endpoints: [Self.endpoint("e", last: 1)]))
        #expect(try Self.decide(open, "e", Self.outside, .udp) == "policy_deny")
        #expect(try Self.decide(open, "e", Self.outside, .tcp) == "no_policy")
        let closed = Self.compile(
            ResourceSet(
                policies: [try Self.policy("a", impliesDefault: false, rules), try Self.policy("b", [])],
                endpoints: [Self.endpoint("e", last: 1)]))
        #expect(try Self.decide(closed, "e", Self.outside, .tcp) == "tier_default_deny")
    }

    // MARK: Criteria

    @Test func `ICMP is matched by type and code`() throws {
        func scene(_ change: (inout PolicyRule) -> Void) throws -> CompiledPolicy {
            var rule = PolicyRule(action: .allow, protocol: .icmp)
            change(&rule)
            return Self.compile(ResourceSet(policies: [try Self.policy("a", [rule])], endpoints: [Self.endpoint("e", last: 1)]))
        }
        for (icmp, notICMP, type, code, expected) in [
            (ICMPMatch(type: 8), nil, 8, 3, true), (ICMPMatch(type: 8), nil, 0, 0, false), (ICMPMatch(type: 3, code: 1), nil, 3, 1, true),
            (ICMPMatch(type: 3, code: 1), nil, 3, 0, false), (nil, ICMPMatch(type: 8), 8, 0, false), (nil, ICMPMatch(type: 8), 0, 0, true),
            (nil, ICMPMatch(type: 3, code: 1), 3, 1, false), (nil, ICMPMatch(type: 3, code: 1), 3, 2, true), (nil, nil, 8, 0, true),
        ] as [(ICMPMatch?, ICMPMatch?, UInt8, UInt8, Bool)] {
            let policy = try scene {
                $0.icmp = icmp
                $0.notICMP = notICMP
            }
            #expect(
                try Self.decide(policy, "e", Self.outside, .icmp, 0, icmp: (type, code))
                    == (expected ? "policy_allow" : "tier_default_deny"),
                "\(String(describing: icmp)) \(String(describing: notICMP)) \(type) \(code)")
        }
    }

    @Test func `named ports are pairs of an endpoint's address and its port`() throws {
        let http = [NamedPort(name: "http", protocol: .tcp, port: 8_080), NamedPort(name: "http", protocol: .udp, port: 99)]
        let endpoints = [
            Self.endpoint("e", last: 1), Self.endpoint("a", ["app": "x"], last: 2, ports: http),
            Self.endpoint("b", ["app": "y"], last: 3, ports: http),
            Self.endpoint("c", ["app": "x"], last: 4),
        ]
        func address(_ last: UInt32) -> IPAddress { IPAddress(v4: 0xc633_6400 + last) }
        func scene(_ destination: EntityRule, source: EntityRule = .any) throws -> CompiledPolicy {
            Self.compile(
                ResourceSet(
                    policies: [
                        try Self.policy("p", [PolicyRule(action: .allow, protocol: .tcp, source: source, destination: destination)])
                    ],
                    endpoints: endpoints))
        }
        let plain = try scene(EntityRule(ports: [.named("http"), .range(PortRange(443))]))
        let selected = try scene(EntityRule(selector: Selector(parsing: "app == 'x'"), ports: [.named("http")]))
        let excluded = try scene(EntityRule(notPorts: [.named("http")]))
        for (policy, last, port, isAllowed) in [
            (plain, 2, 8_080, true), (plain, 3, 8_080, true), (plain, 4, 8_080, false), (plain, 2, 99, false), (plain, 4, 443, true),
            (selected, 2, 8_080, true), (selected, 3, 8_080, false), (selected, 2, 443, false), (excluded, 2, 8_080, false),
            (excluded, 2, 99, true), (excluded, 4, 8_080, true),
        ] as [(CompiledPolicy, UInt32, UInt16, Bool)] {
            #expect(
                try Self.decide(policy, "e", address(last), .tcp, port) == (isAllowed ? "policy_allow" : "tier_default_deny"),
                "\(last) \(port)")
        }
        let from = try scene(.any, source: EntityRule(ports: [.named("http")]))
        #expect(try Self.decide(from, "a", Self.outside, .tcp, 1, sourcePort: 8_080) == "policy_allow")
        #expect(try Self.decide(from, "a", Self.outside, .tcp, 1, sourcePort: 99) == "tier_default_deny")
        #expect(try Self.decide(from, "c", Self.outside, .tcp, 1, sourcePort: 8_080) == "tier_default_deny")
    }

    @Test func `services are the addresses and ports of their slices`() throws {
        let slices = [
            ServiceEndpoints(
                name: "db-1", namespace: "default", service: "db", addresses: [Self.outside],
                ports: [NamedPort(name: "", protocol: .tcp, port: 5_432), NamedPort(name: "u", protocol: .udp, port: 53)]),
            ServiceEndpoints(
                name: "other-1", namespace: "default", service: "other", addresses: [Self.outside],
                ports: [NamedPort(name: "", protocol: .tcp, port: 80)]),
        ]
        let rule = PolicyRule(action: .allow, destination: EntityRule(services: ServiceMatch(name: "db", namespace: "default")))
        let policy = Self.compile(
            ResourceSet(policies: [try Self.policy("p", [rule])], endpoints: [Self.endpoint("e", last: 1)], serviceEndpoints: slices))
        #expect(try Self.decide(policy, "e", Self.outside, .tcp, 5_432) == "policy_allow")
        #expect(try Self.decide(policy, "e", Self.outside, .udp, 53) == "policy_allow")
        #expect(try Self.decide(policy, "e", Self.outside, .udp, 5_432) == "tier_default_deny")
        #expect(try Self.decide(policy, "e", Self.outside, .tcp, 80) == "tier_default_deny")
        #expect(try Self.decide(policy, "e", IPAddress(v4: 0xc000_0208), .tcp, 5_432) == "tier_default_deny")
    }

    @Test func `a URL counts on its TCP port`() throws {
        let rule = PolicyRule(
            action: .allow,
            destination: EntityRule(
                domains: [try Self.pattern("plain.example.org")], urls: [DomainURL(pattern: try Self.pattern("*.example.net"), port: 443)]))
        let set = NetworkSet(
            name: "s", labels: ["set": "s"], allowedEgressURLs: [DomainURL(pattern: try Self.pattern("set.example.test"), port: 8_443)])
        let bySet = PolicyRule(action: .allow, destination: EntityRule(selector: try Selector(parsing: "set == 's'")))
        let policy = Self.compile(
            ResourceSet(policies: [try Self.policy("p", [rule, bySet])], networkSets: [set], endpoints: [Self.endpoint("e", last: 1)]))
        for (name, transport, port, expected) in [
            ("plain.example.org", TransportProtocol.udp, 1, "policy_allow"), ("a.example.net", .tcp, 443, "policy_allow"),
            ("a.example.net", .tcp, 80, "name_not_allowed"), ("a.example.net", .udp, 443, "name_not_allowed"),
            ("set.example.test", .tcp, 8_443, "policy_allow"), ("set.example.test", .tcp, 443, "name_not_allowed"),
        ] as [(String, TransportProtocol, UInt16, String)] {
            #expect(try Self.decide(policy, "e", Self.outside, transport, port, as: [name]) == expected, "\(name) \(transport) \(port)")
        }
    }

    // MARK: Staged

    @Test func `staged policies decide nothing and are evaluated beside`() throws {
        let allow = [PolicyRule(action: .allow)]
        let deny = [PolicyRule(action: .deny)]
        for (staged, selector, expected) in [
            (NetworkPolicy.StagedAction.set, "all()", "policy_deny"), (.delete, "all()", "no_policy"), (.learn, "all()", "policy_allow"),
            (.ignore, "all()", "policy_allow"), (.set, "none == 'x'", "no_policy"),
        ] {
            let policy = Self.compile(
                ResourceSet(
                    policies: [try Self.policy("p", allow), try Self.policy("p", selector: selector, staged: staged, deny)],
                    endpoints: [Self.endpoint("e", last: 1)]))
            #expect(try Self.decide(policy, "e", Self.outside, .tcp) == "policy_allow")
            #expect(try Self.decide(policy, "e", Self.outside, .tcp, staged: true) == expected, "\(staged) \(selector)")
        }
        let policy = Self.compile(
            ResourceSet(
                policies: [try Self.policy("q", selector: "app == 'x'", staged: .set, deny)],
                endpoints: [Self.endpoint("e", last: 1), Self.endpoint("x", ["app": "x"], last: 2)]))
        #expect(policy.programs.map(\.hasStaged) == [false, true])
        #expect(try Self.decide(policy, "x", Self.outside, .tcp) == "no_policy")
        #expect(try Self.decide(policy, "x", Self.outside, .tcp, staged: true) == "policy_deny")
        #expect(policy.endpoints.map(\.isPoliced) == [false, false])
    }

    // MARK: Names

    @Test func `a name in a Deny rule is refused when it is asked for and on its addresses, in rule order`() throws {
        let rules = [
            PolicyRule(action: .allow, destination: EntityRule(domains: [try Self.pattern("good.example.org")])),
            PolicyRule(action: .deny, protocol: .tcp, destination: EntityRule(domains: [try Self.pattern("half.example.org")])),
            PolicyRule(action: .deny, destination: EntityRule(domains: [try Self.pattern("*.example.org")])), PolicyRule(action: .allow),
        ]
        let policy = Self.compile(
            ResourceSet(
                policies: [try Self.policy("p", selector: "app == 'x'", deniesByName: true, rules)],
                endpoints: [Self.endpoint("x", ["app": "x"], last: 1), Self.endpoint("e", last: 2)]))
        #expect(policy.deniesNames)
        #expect(try Self.query(policy, "x", "good.example.org") == "open")
        #expect(try Self.query(policy, "x", "bad.example.org") == "policy_deny default|p|egress[2]|Deny")
        #expect(try Self.query(policy, "x", "half.example.org") == "policy_deny default|p|egress[2]|Deny")
        #expect(try Self.query(policy, "x", "example.net") == "open")
        #expect(try Self.query(policy, "e", "bad.example.org") == "open")
        #expect(try Self.decide(policy, "x", Self.outside, .udp, as: ["bad.example.org"]) == "policy_deny")
        #expect(try Self.decide(policy, "x", Self.outside, .udp, as: ["good.example.org"]) == "policy_allow")
        #expect(try Self.decide(policy, "x", Self.outside, .udp) == "policy_allow")
    }

    @Test func `an exclusive policy closes its names to those whom it does not select`() throws {
        let own = try Self.policy(
            "own", order: 10, selector: "app == 'x'", exclusive: true,
            [PolicyRule(action: .allow, protocol: .tcp, destination: EntityRule(domains: [try Self.pattern("*.bank.example")]))])
        let all = try Self.policy("all", order: 20, [PolicyRule(action: .allow)])
        let before = try Self.policy(
            "before", order: 5, selector: "app == 'y'",
            [PolicyRule(action: .allow, destination: EntityRule(domains: [try Self.pattern("www.bank.example")]))])
        let passing = try Self.policy("passing", order: 6, selector: "app == 'z'", [PolicyRule(action: .pass)])
        let policy = Self.compile(
            ResourceSet(
                policies: [own, all, before, passing],
                endpoints: [
                    Self.endpoint("x", ["app": "x"], last: 1), Self.endpoint("y", ["app": "y"], last: 2),
                    Self.endpoint("z", ["app": "z"], last: 3),
                    Self.endpoint("e", last: 4),
                ]))
        let name = ["www.bank.example"]
        #expect(try Self.decide(policy, "x", Self.outside, .tcp, as: name) == "policy_allow")
        #expect(try Self.decide(policy, "x", Self.outside, .udp, as: name) == "policy_allow")
        #expect(try Self.decide(policy, "e", Self.outside, .tcp, as: name) == "exclusive_name")
        #expect(try Self.decide(policy, "e", Self.outside, .tcp) == "policy_allow")
        #expect(try Self.decide(policy, "e", Self.outside, .tcp, as: ["bank.example"]) == "policy_allow")
        // What stands before it in the order goes before it; who leaves the tier before it leaves it behind.
        #expect(try Self.decide(policy, "y", Self.outside, .tcp, as: name) == "policy_allow")
        #expect(try Self.decide(policy, "y", Self.outside, .tcp, as: ["a.bank.example"]) == "exclusive_name")
        #expect(try Self.decide(policy, "z", Self.outside, .tcp, as: name) == "no_policy")
        #expect(try Self.query(policy, "e", "www.bank.example") == "exclusive_name default|own|exclusive|Deny")
        #expect(try Self.query(policy, "x", "www.bank.example") == "open")
        #expect(try Self.query(policy, "y", "www.bank.example") == "open")
        #expect(policy.endpoints.allSatisfy { $0.isPoliced })
    }

    @Test func `exclusive by default is every policy`() throws {
        let own = try Self.policy(
            "own", selector: "app == 'x'",
            [PolicyRule(action: .allow, destination: EntityRule(domains: [try Self.pattern("a.example.org")]))])
        let resources = ResourceSet(
            policies: [own], endpoints: [Self.endpoint("x", ["app": "x"], last: 1), Self.endpoint("e", last: 2)])
        #expect(try Self.decide(Self.compile(resources), "e", Self.outside, .tcp, as: ["a.example.org"]) == "no_policy")
        let exclusive = Self.compile(resources, PolicyOptions(exclusiveByDefault: true))
        #expect(try Self.decide(exclusive, "e", Self.outside, .tcp, as: ["a.example.org"]) == "exclusive_name")
        #expect(try Self.decide(exclusive, "x", Self.outside, .tcp, as: ["a.example.org"]) == "policy_allow")
    }

    @Test func `an exclusive set closes its names to those who are not allowed the set`() throws {
        let set = NetworkSet(
            name: "partners", labels: ["role": "partner"], allowedEgressDomains: [try Self.pattern("*.partner.example")], isExclusive: true)
        let bySelector = try Self.policy(
            "s", order: 20, selector: "app == 'x'",
            [PolicyRule(action: .allow, protocol: .udp, destination: EntityRule(selector: try Selector(parsing: "role == 'partner'")))])
        let all = try Self.policy("all", order: 10, [PolicyRule(action: .allow)])
        let policy = Self.compile(
            ResourceSet(
                policies: [bySelector, all], networkSets: [set],
                endpoints: [Self.endpoint("x", ["app": "x"], last: 1), Self.endpoint("e", last: 2)]))
        #expect(try Self.decide(policy, "x", Self.outside, .tcp, as: ["a.partner.example"]) == "policy_allow")
        #expect(try Self.decide(policy, "e", Self.outside, .tcp, as: ["a.partner.example"]) == "exclusive_name")
        #expect(try Self.decide(policy, "e", Self.outside, .tcp) == "policy_allow")
        #expect(try Self.query(policy, "e", "a.partner.example") == "exclusive_name set|partners|exclusive|Deny")
        #expect(try Self.query(policy, "x", "a.partner.example") == "open")
    }

    // MARK: Ingress

    @Test func `ingress is explained with the roles swapped`() throws {
        let rules = [
            PolicyRule(
                action: .allow, protocol: .tcp, source: EntityRule(selector: try Selector(parsing: "app == 'x'")),
                destination: EntityRule(ports: [.range(PortRange(80))]))
        ]
        let policy = Self.compile(
            ResourceSet(
                policies: [
                    NetworkPolicy(
                        name: "in", namespace: "default", selector: try Selector(parsing: "app == 'web'"), types: [.ingress], ingress: rules
                    )
                ],
                endpoints: [
                    Self.endpoint("web", ["app": "web"], last: 1), Self.endpoint("x", ["app": "x"], last: 2),
                    Self.endpoint("y", ["app": "y"], last: 3),
                ]))
        func explain(_ name: String, from last: UInt32, port: UInt16) -> String {
            guard let position = policy.endpoints.firstIndex(where: { $0.name == name }) else {
                Issue.record("no \(name)")
                return ""
            }
            let flow = FlowTuple(
                source: IPAddress(v4: 0xc633_6400 + last), destination: policy.endpoints[position].addresses[0], transport: .tcp,
                sourcePort: 1, destinationPort: port)
            let result = policy.explainIngress(endpoint: position, flow)
            #expect(result.isAllowed == result.reason.isAllowed && !result.trace.isEmpty)
            return "\(result.reason.label) \(result.rule.map(\.description) ?? "-")"
        }
        #expect(explain("web", from: 2, port: 80) == "policy_allow default|default/in|ingress[0]|Allow")
        #expect(explain("web", from: 3, port: 80) == "tier_default_deny default|default-action|-|Deny")
        #expect(explain("web", from: 2, port: 81) == "tier_default_deny default|default-action|-|Deny")
        #expect(explain("y", from: 2, port: 81) == "no_policy -")
        #expect(try Self.decide(policy, "web", Self.outside, .tcp) == "no_policy")
    }
}
