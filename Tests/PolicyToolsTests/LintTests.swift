import Glibc
import PolicyModel
import PolicyTools
import Testing

@Suite struct LintTests {
    private static func policy(_ name: String, _ spec: String, metadata: String = "", kind: String = "GlobalNetworkPolicy") -> String {
        """
        apiVersion: projectcalico.org/v3
        kind: \(kind)
        metadata: {name: \(name)\(metadata)}
        spec: {types: [Egress], \(spec)}
        ---

        """
    }

    private static func lint(_ yaml: String, dns: PolicyLint.DNS = .unknown) -> [String] {
        PolicyLint(resources(yaml), options: PolicyLint.Options(dns: dns)).findings().map {
            "\($0.location?.line ?? 0) \($0.field): \($0.message)"
        }
    }

    struct Pair: Sendable, CustomTestStringConvertible {
        let first: String
        let second: String
        var isDead = true
        var testDescription: String { "\(first) before \(second)" }
    }

    /// Whether the second rule of a policy can never match.
    static let pairs = [
        Pair(first: "action: Allow", second: "action: Deny, protocol: TCP, destination: {nets: [192.0.2.0/24], ports: [443]}"),
        Pair(first: "action: Pass", second: "action: Allow"),
        Pair(first: "action: Log", second: "action: Allow", isDead: false),
        Pair(first: "action: Deny, ipVersion: 4", second: "action: Allow, ipVersion: 4"),
        Pair(first: "action: Deny, ipVersion: 4", second: "action: Allow", isDead: false),
        Pair(first: "action: Deny, protocol: TCP", second: "action: Allow, protocol: tcp"),
        Pair(first: "action: Deny, protocol: TCP", second: "action: Allow, protocol: UDP", isDead: false),
        Pair(first: "action: Deny, notProtocol: UDP", second: "action: Allow, protocol: TCP"),
        Pair(first: "action: Deny, notProtocol: UDP", second: "action: Allow, protocol: UDP", isDead: false),
        Pair(first: "action: Deny, notProtocol: UDP", second: "action: Allow", isDead: false),
        Pair(
            first: "action: Deny, destination: {nets: [10.0.0.0/8]}",
            second: "action: Allow, destination: {nets: [10.1.0.0/16, 10.2.3.4/32]}"),
        Pair(
            first: "action: Deny, destination: {nets: [10.0.0.0/8]}",
            second: "action: Allow, destination: {nets: [10.1.0.0/16, 11.0.0.0/8]}",
            isDead: false),
        Pair(
            first: "action: Deny, destination: {nets: [10.1.0.0/16]}", second: "action: Allow, destination: {nets: [10.0.0.0/8]}",
            isDead: false),
        Pair(first: "action: Deny, destination: {notNets: [10.1.0.0/16]}", second: "action: Allow, destination: {notNets: [10.0.0.0/8]}"),
        Pair(
            first: "action: Deny, destination: {notNets: [10.0.0.0/8]}", second: "action: Allow, destination: {notNets: [10.1.0.0/16]}",
            isDead: false),
        Pair(first: "action: Deny, destination: {notNets: [10.0.0.0/8]}", second: "action: Allow, destination: {nets: [192.0.2.0/24]}"),
        Pair(
            first: "action: Deny, protocol: TCP, destination: {ports: [\"1:1024\"]}",
            second: "action: Allow, protocol: TCP, destination: {ports: [80, 443]}"),
        Pair(
            first: "action: Deny, protocol: TCP, destination: {ports: [80]}",
            second: "action: Allow, protocol: TCP, destination: {ports: [80, 443]}",
            isDead: false),
        Pair(first: "action: Deny, protocol: TCP, destination: {ports: [80]}", second: "action: Allow, protocol: TCP", isDead: false),
        Pair(
            first: "action: Deny, protocol: TCP, destination: {notPorts: [80]}",
            second: "action: Allow, protocol: TCP, destination: {ports: [443]}"),
        Pair(
            first: "action: Deny, protocol: TCP, destination: {notPorts: [80]}",
            second: "action: Allow, protocol: TCP, destination: {ports: [80]}",
            isDead: false),
        Pair(first: "action: Deny, protocol: ICMP", second: "action: Allow, protocol: ICMP, icmp: {type: 8}"),
        Pair(first: "action: Deny, protocol: ICMP, icmp: {type: 8}", second: "action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}"),
        Pair(
            first: "action: Deny, protocol: ICMP, icmp: {type: 8, code: 0}", second: "action: Allow, protocol: ICMP, icmp: {type: 8}",
            isDead: false),
        Pair(
            first: "action: Allow, destination: {domains: [api.example.org]}",
            second: "action: Allow, destination: {domains: [API.example.org]}"),
        Pair(
            first: "action: Allow, destination: {domains: [\"*.example.org\"]}",
            second: "action: Allow, destination: {domains: [a.b.example.org]}"),
        Pair(
            first: "action: Allow, destination: {domains: [\"*.example.org\"]}",
            second: "action: Allow, destination: {domains: [\"*.b.example.org\"]}"),
        Pair(
            first: "action: Allow, destination: {domains: [\"*.example.org\"]}",
            second: "action: Allow, destination: {domains: [\"a.*.example.org\"]}"),
        Pair(
            first: "action: Allow, destination: {domains: [\"*.example.org\"]}",
            second: "action: Allow, destination: {domains: [example.org]}", isDead: false),
        Pair(
            first: "action: Allow, destination: {domains: [\"a.*.example.org\"]}",
            second: "action: Allow, destination: {domains: [\"*.example.org\"]}",
            isDead: false),
        Pair(first: "action: Deny", second: "action: Allow, destination: {domains: [a.example.org]}"),
        Pair(first: "action: Allow, destination: {domains: [a.example.org]}", second: "action: Allow", isDead: false),
        Pair(
            first: "action: Deny, destination: {selector: \"role == 'a'\"}",
            second: "action: Deny, destination: {selector: 'role == \"a\"'}"),
        Pair(
            first: "action: Deny, destination: {selector: \"role == 'a'\"}",
            second: "action: Deny, destination: {selector: \"role == 'b'\"}", isDead: false),
        // Names of sets count in the Allow rule only.
        Pair(
            first: "action: Deny, destination: {selector: \"role == 'a'\"}",
            second: "action: Allow, destination: {selector: \"role == 'a'\"}", isDead: false),
        Pair(
            first: "action: Allow, destination: {notSelector: \"role == 'a'\"}",
            second: "action: Deny, destination: {notSelector: \"role == 'a'\"}",
            isDead: false),
        Pair(first: "action: Deny, source: {selector: \"app == 'a'\"}", second: "action: Allow", isDead: false),
        Pair(first: "action: Deny", second: "action: Allow, source: {selector: \"app == 'a'\"}"),
        Pair(first: "action: Deny, source: {serviceAccounts: {names: [a]}}", second: "action: Allow", isDead: false),
    ]

    @Test(arguments: pairs)
    func `a rule is dead only if an earlier one certainly takes all of it`(_ pair: Pair) {
        let yaml = Self.policy("one", "egress: [{\(pair.first)}, {\(pair.second)}]")
        let found = Self.lint(yaml).filter { $0.contains("can never match") }
        #expect(found.count == (pair.isDead ? 1 : 0), "\(found)")
        if pair.isDead {
            #expect(found.first?.hasPrefix("4 spec.egress[1]: the rule can never match: spec.egress[0] (") == true, "\(found)")
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let yaml: String
        let isDead: Bool
    }

    private static let tier =
        "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: first}\nspec: {order: 1, defaultAction: Pass}\n---\n"

    static let policyRows = [
        Row(
            testDescription: "the same selector, an earlier order",
            yaml: policy("a", "order: 1, selector: app == 'x', egress: [{action: Deny}]")
                + policy("b", "order: 2, selector: app == 'x', egress: [{action: Allow}]"),
            isDead: true),
        Row(
            testDescription: "a later order",
            yaml: policy("a", "order: 3, selector: app == 'x', egress: [{action: Deny}]")
                + policy("b", "order: 2, selector: app == 'x', egress: [{action: Allow, protocol: TCP}]"),
            isDead: false),
        Row(
            testDescription: "another selector",
            yaml: policy("a", "order: 1, selector: app == 'x', egress: [{action: Deny}]")
                + policy("b", "order: 2, selector: app == 'y', egress: [{action: Allow}]"),
            isDead: false),
        Row(
            testDescription: "a wider selector",
            yaml: policy("a", "order: 1, egress: [{action: Deny}]")
                + policy("b", "order: 2, selector: app == 'y', egress: [{action: Allow}]"),
            isDead: true),
        Row(
            testDescription: "a global policy before one of a namespace",
            yaml: policy("a", "order: 1, selector: app == 'x', egress: [{action: Deny}]")
                + policy(
                    "b", "order: 2, selector: app == 'x', egress: [{action: Allow}]", metadata: ", namespace: shop", kind: "NetworkPolicy"),
            isDead: true),
        Row(
            testDescription: "a policy of a namespace before a global one",
            yaml: policy("a", "order: 1, egress: [{action: Deny}]", metadata: ", namespace: shop", kind: "NetworkPolicy")
                + policy("b", "order: 2, egress: [{action: Allow}]"),
            isDead: false),
        Row(
            testDescription: "an earlier tier",
            yaml: tier + policy("first.a", "tier: first, egress: [{action: Deny}]") + policy("b", "egress: [{action: Allow}]"), isDead: true
        ),
        Row(
            testDescription: "an earlier tier with a way round",
            yaml: tier + policy("first.a", "tier: first, egress: [{action: Pass, protocol: TCP}, {action: Deny}]")
                + policy("b", "egress: [{action: Allow}]"),
            isDead: false),
        Row(
            testDescription: "a staged policy before an enforced one",
            yaml: policy("a", "order: 1, egress: [{action: Deny}]", kind: "StagedGlobalNetworkPolicy")
                + policy("b", "order: 2, egress: [{action: Allow}]"),
            isDead: false),
        Row(
            testDescription: "a policy for ingress only",
            yaml: policy("a", "order: 1, egress: [{action: Deny}]").replacing("[Egress]", with: "[Ingress]")
                + policy("b", "order: 2, egress: [{action: Allow}]"),
            isDead: false),
        Row(
            testDescription: "a name that is denied at the DNS stage behind an Allow of everything",
            yaml: policy(
                "a", "egress: [{action: Allow}, {action: Deny, destination: {domains: [a.example.org]}}]",
                metadata: ", annotations: {exeat.io/deny-domains: \"true\"}"), isDead: false),
    ]

    @Test(arguments: policyRows)
    func `an earlier policy takes a rule only from endpoints that it certainly selects`(_ row: Row) {
        let found = Self.lint(row.yaml).filter { $0.contains("can never match") }
        #expect(found.count == (row.isDead ? 1 : 0), "\(found)")
    }

    @Test func `a rule of a file that became several is dead if all of them are`() {
        let kubernetes = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: web, namespace: shop}
            spec:
              podSelector: {}
              policyTypes: [Egress]
              egress:
                - to: [{ipBlock: {cidr: 10.0.0.0/8}}]
                - to: [{ipBlock: {cidr: 10.1.0.0/16}}]
                  ports: [{port: 443}, {port: 53, protocol: UDP}]
                - to: [{ipBlock: {cidr: 10.2.0.0/16}}, {ipBlock: {cidr: 192.0.2.0/24}}]
            """
        let found = Self.lint(kubernetes).filter { $0.contains("can never match") }
        #expect(found.allSatisfy { $0.contains(" spec: ") && !$0.hasPrefix("0 ") })
        #expect(found.contains { $0.hasPrefix("9 ") } && !found.contains { $0.contains("192.0.2") }, "\(found)")
    }

    private static let set =
        "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: files, labels: {role: files}}\n"
        + "spec: {allowedEgressDomains: [files.example.org]}\n---\n"

    @Test(arguments: [
        ("egress: [{action: Allow, destination: {selector: role == 'files'}}]", "GlobalNetworkPolicy", false),
        ("egress: [{action: Deny, destination: {selector: role == 'files'}}]", "GlobalNetworkPolicy", true),
        ("egress: [{action: Allow, destination: {selector: role == 'other'}}]", "GlobalNetworkPolicy", true),
        ("egress: [{action: Allow, destination: {selector: role == 'files'}}]", "StagedGlobalNetworkPolicy", true),
        ("egress: [{action: Allow, destination: {selector: has(role), namespaceSelector: global()}}]", "GlobalNetworkPolicy", false),
    ])
    func `names of a set that no Allow rule selects are told`(_ spec: String, _ kind: String, _ isIdle: Bool) {
        let found = Self.lint(Self.set + Self.policy("one", spec, kind: kind)).filter { $0.contains("selects the set") }
        #expect(found.count == (isIdle ? 1 : 0), "\(found)")
        if isIdle { #expect(found.first?.hasPrefix("1 spec.allowedEgressDomains: ") == true) }
    }

    private static let names = "{action: Allow, protocol: TCP, destination: {domains: [a.example.org]}}"
    private static let deny53 = "{action: Deny, protocol: UDP, destination: {ports: [53]}}"
    private static let allow53 = "{action: Allow, protocol: UDP, destination: {nets: [192.0.2.53/32], ports: [53]}}"

    @Test(
        arguments: [
            (names, PolicyLint.DNS.unknown, nil), (names, .intercepted, nil), (names, .notIntercepted, "no rule allows the queries"),
            (names, .notServed, "no resolver listens"), ("\(names), \(allow53)", .notIntercepted, nil),
            ("\(deny53), \(names)", .unknown, "refuses the queries"), ("\(deny53), \(names)", .intercepted, nil),
            ("\(deny53), \(names)", .notIntercepted, "refuses the queries"), ("{action: Allow}", .notIntercepted, nil),
            ("{action: Allow}", .notServed, nil), ("\(names), {action: Deny}", .unknown, nil),
        ] as [(String, PolicyLint.DNS, String?)])
    func `queries that policy refuses to endpoints with names are told`(_ rules: String, _ dns: PolicyLint.DNS, _ word: String?) {
        let found = Self.lint(Self.policy("one", "egress: [\(rules)]"), dns: dns).filter { $0.contains("quer") || $0.contains("resolver") }
        #expect(found.count == (word == nil ? 0 : 1), "\(found)")
        if let word { #expect(found.first?.contains(word) == true, "\(found)") }
    }

    @Test func `queries that an earlier policy of other endpoints of the namespace may allow are not told`() {
        let yaml =
            Self.policy("a", "order: 1, selector: has(dns), egress: [\(Self.allow53)]")
            + Self.policy("b", "order: 2, egress: [\(Self.deny53), \(Self.names)]")
        #expect(Self.lint(yaml).isEmpty)
    }

    @Test func `selectors that select nothing are told once there is an endpoint`() {
        let policies =
            Self.policy("a", "selector: app == 'absent', egress: [{action: Allow, destination: {selector: role == 'absent'}}]")
            + Self.policy(
                "b",
                "selector: app == 'web', egress: [{action: Allow, source: {selector: app == 'absent'}, destination: {notSelector: role == 'gone'}}]"
            )
            + Self.policy("c", "selector: app == 'web', egress: [{action: Allow, protocol: TCP, destination: {selector: app == 'web'}}]")
        let endpoint =
            "apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata: {name: w, namespace: shop, labels: {app: web}}\n"
            + "spec: {interfaceName: cali1, ipNetworks: [192.0.2.1/32]}\n"
        #expect(Self.lint(policies).isEmpty)
        let found = Self.lint(policies + endpoint)
        #expect(
            found == [
                "1 spec.selector: selects no known endpoint",
                "4 spec.egress[0].destination.selector: selects no known endpoint and no network set",
                "9 spec.egress[0].source.selector: selects no known endpoint",
                "9 spec.egress[0].destination.notSelector: selects no known endpoint and no network set",
            ], "\(found)")
    }

    /// Of the second power it would be 64 times as much.
    @Test func `lints of eight times as many policies take about eight times as long`() throws {
        func time(_ policies: Int) throws -> Double {
            var set = ResourceSet()
            for number in 0..<policies {
                set.policies.append(
                    NetworkPolicy(
                        name: "p\(number)", namespace: "n\(number % 100)", order: Double(number),
                        selector: try Selector(parsing: "app == 'a\(number % (policies / 10))'"), types: [.egress],
                        egress: try (0..<5).map { place in
                            PolicyRule(
                                action: .allow, protocol: .tcp,
                                destination: EntityRule(
                                    ports: [.range(.init(443))],
                                    domains: [try .init(parsing: "h\(place).d\(number).example.org", dialect: .calico)]))
                        }))
            }
            for number in 0..<policies / 10 {
                set.endpoints.append(
                    WorkloadEndpoint(
                        name: "e\(number)", namespace: "n\(number % 100)", labels: ["app": "a\(number)"],
                        addresses: [.init(v4: 0x0a00_0000 + UInt32(number))], interfaceName: "cali\(number)"))
            }
            // The thread's own time: what else the machine does bears on it little.
            let start = threadNanoseconds()
            #expect(PolicyLint(set).findings().count == 0)
            return Double(threadNanoseconds() - start)
        }
        let (few, many) = (try time(1_000), try time(8_000))
        #expect(many < 32 * few, "\(few) and \(many)")

        func threadNanoseconds() -> UInt64 {
            var time = timespec()
            unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
    }
}
