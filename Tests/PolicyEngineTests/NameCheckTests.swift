import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel
import Testing

/// Whether a flow has to give its name, and what is decided under the name that it gave.
struct NameCheckTests {
    private static func policies(_ annotations: String = "") -> String {
        """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkSet
        metadata: {name: updates, labels: {role: updates}}
        spec: {allowedEgressDomains: [updates.example.org], nets: [203.0.113.0/24]}
        ---
        apiVersion: projectcalico.org/v3
        kind: NetworkPolicy
        metadata: {name: web, namespace: default, annotations: {\(annotations)}}
        spec:
          selector: app == "web"
          order: 10
          types: [Egress]
          egress:
            - {action: Allow, protocol: TCP, destination: {domains: [pay.example.org, "*.cards.example.net"]}}
            - {action: Allow, protocol: UDP, destination: {domains: [pay.example.org], ports: [443, 8443]}}
            - {action: Allow, destination: {selector: role == "updates", namespaceSelector: global()}}
            - {action: Allow, destination: {nets: [192.0.2.128/25]}}
        """
    }

    private static let require = "exeat.io/verify-name: require"

    @Test(
        arguments: [
            ("", "web:1000 192.0.2.1 TCP 443 as pay.example.org", .observe),
            ("", "web:1000 192.0.2.1 TCP 80 as a.cards.example.net", .observe),
            ("", "web:1000 192.0.2.1 UDP 443 as pay.example.org", .observe),
            ("", "web:1000 192.0.2.1 UDP 8443 as pay.example.org", .off),
            ("", "web:1000 192.0.2.1 TCP 8080 as pay.example.org", .off),
            ("", "web:1000 192.0.2.1 TCP 443 as other.example.org", .off),
            ("", "web:1000 192.0.2.200 TCP 443", .off),
            ("", "web:1000 203.0.113.1 TCP 443", .off),
            ("", "web:1000 192.0.2.1 TCP 443 as updates.example.org", .observe),
            (require, "web:1000 192.0.2.1 TCP 443 as pay.example.org", .require),
            (require, "web:1000 192.0.2.1 TCP 443 as updates.example.org", .require),
            (require, "web:1000 192.0.2.200 TCP 443", .off),
            (require + ", exeat.io/verify-name-ports: \"tcp:8000-8100\"", "web:1000 192.0.2.1 TCP 443 as pay.example.org", .off),
            (require + ", exeat.io/verify-name-ports: \"tcp:8000-8100\"", "web:1000 192.0.2.1 TCP 8080 as pay.example.org", .require),
            (require + ", exeat.io/verify-name-ports: \"tcp:8000-8100\"", "web:1000 192.0.2.1 UDP 8443 as pay.example.org", .off),
            ("exeat.io/verify-name-ports: \"udp:8443\"", "web:1000 192.0.2.1 UDP 8443 as pay.example.org", .observe),
            ("exeat.io/verify-name-ports: \"udp:8443\"", "web:1000 192.0.2.1 UDP 443 as pay.example.org", .off),
            ("exeat.io/verify-name: \"off\"", "web:1000 192.0.2.1 TCP 443 as pay.example.org", .off),
        ] as [(String, String, NameVerification)])
    func `a flow that was allowed by name has to give it, on the ports of its policy`(
        annotations: String, flow: String, wanted: NameVerification
    ) throws {
        let scene = try Scene(Self.policies(annotations))
        let (endpoint, tuple, bindings) = try scene.read(flow)
        let decision = scene.policy.evaluate(endpoint: endpoint, tuple, bindings: bindings)
        #expect(decision.nameCheck == wanted)
        #expect(scene.policy.explain(endpoint: endpoint, tuple, bindings: bindings).decision == decision)
    }

    @Test(arguments: NameVerification.allCases)
    func `what the configuration says counts for policies that do not say it`(verification: NameVerification) throws {
        for (annotation, wanted) in [("", verification), (Self.require, .require), ("exeat.io/verify-name: observe", .observe)] {
            var compiler = PolicyCompiler(PolicyOptions(nameVerification: verification))
            let scene = try Scene(Self.policies(annotation), &compiler)
            let (endpoint, tuple, bindings) = try scene.read("web:1000 192.0.2.1 TCP 443 as pay.example.org")
            let decision = scene.policy.evaluate(endpoint: endpoint, tuple, bindings: bindings)
            #expect(decision.nameCheck == wanted)
        }
    }

    @Test(arguments: [
        ("web:1000 192.0.2.1 TCP 443 as pay.example.org", "pay.example.org", true),
        ("web:1000 192.0.2.1 TCP 443 as pay.example.org", "other.example.org", false),
        ("web:1000 192.0.2.1 TCP 443 as pay.example.org", "a.cards.example.net", false),
        ("web:1000 192.0.2.1 TCP 443 as pay.example.org a.cards.example.net", "a.cards.example.net", true),
        ("web:1000 192.0.2.1 TCP 443 as pay.example.org other.example.org", "other.example.org", false),
        ("web:1000 192.0.2.1 UDP 443 as pay.example.org a.cards.example.net", "a.cards.example.net", false),
        ("web:1000 192.0.2.1 TCP 443", "pay.example.org", false),
        ("web:1000 192.0.2.1 TCP 443 as updates.example.org", "updates.example.org", true),
        ("web:1000 192.0.2.200 TCP 443 as other.example.org", "other.example.org", true),
    ])
    func `under the name seen a flow may go only where that name may`(flow: String, name: String, isAllowed: Bool) throws {
        let scene = try Scene(Self.policies())
        let (endpoint, tuple, bindings) = try scene.read(flow)
        let seen = try DomainName(parsing: name)
        let decision = scene.policy.evaluate(endpoint: endpoint, tuple, seenName: seen, bindings: bindings)
        #expect(decision.isAllowed == isAllowed, "\(decision)")
        // Never wider than without.
        let before = scene.policy.evaluate(endpoint: endpoint, tuple, bindings: bindings)
        #expect(before.isAllowed || !decision.isAllowed)
    }

    @Test func `another annotation is another policy for those that have names in it`() throws {
        func fingerprints(_ annotations: String) throws -> [UInt64] {
            let scene = try Scene(Self.policies(annotations))
            return scene.policy.programs.indices.map { scene.policy.endpoints[$0].fingerprint }
        }
        let plain = try fingerprints("")
        #expect(try fingerprints("exeat.io/verify-name: observe") == plain)
        for annotations in [Self.require, "exeat.io/verify-name: \"off\"", "exeat.io/verify-name-ports: \"tcp:443\""] {
            let changed = try fingerprints(annotations)
            #expect(changed[0] != plain[0], "\(annotations)")
            #expect(Array(changed.dropFirst()) == Array(plain.dropFirst()), "\(annotations)")
        }
    }
}
