import CAllocationCounter
import NetworkTypes
import PolicyEngine
import Testing

struct CompilationTests {
    private static let yaml = """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: p}
        spec:
          types: [Egress]
          egress:
            - {action: Deny, destination: {nets: [203.0.113.0/24], notNets: [203.0.113.9/32]}}
            - {action: Deny, destination: {nets: ["2001:db8:bad::/48"]}}
            - {action: Allow, protocol: TCP, destination: {domains: [api.example.org, "*.example.net"], ports: [443, "8000:8080"]}}
            - {action: Allow, destination: {selector: app == "db"}}
        """

    @Test func `every address of an endpoint leads to it, others to none`() throws {
        let policy = try Scene(Self.yaml).policy
        for (position, endpoint) in policy.endpoints.enumerated() {
            for address in endpoint.addresses { #expect(policy.endpointIndex(of: address) == position) }
        }
        for text in ["198.51.100.0", "198.51.100.5", "2001:db8:64::2", "::198.51.100.1", "::ffff:198.51.100.1", "0.0.0.0", "::"] {
            #expect(policy.endpointIndex(of: try #require(IPAddress(parsing: text))) == nil, "\(text)")
        }
    }

    @Test func `an endpoint without number is left out`() throws {
        var compiler = PolicyCompiler()
        let policy = compiler.compile(try Scene.load(Scene.endpoints)) {
            ["default/web": 5, "batch/job": 6, "idle/idle": 7][$0].map { EndpointID(rawValue: $0) }
        }
        #expect(policy.endpoints.map(\.name) == ["web", "job", "idle"])
        #expect(policy.endpointIndex(of: IPAddress(v4: 0xc633_6402)) == nil)
    }

    @Test func `generations are carried by the programs`() throws {
        let policy = try Scene(Self.yaml).policy.withGenerations([4, 3, 2, 1])
        #expect(policy.programs.map(\.generation) == [4, 3, 2, 1])
        #expect(policy.endpoints.map(\.generation) == [4, 3, 2, 1])
    }

    @Test func `evaluation allocates nothing`() throws {
        let scene = try Scene(Self.yaml)
        let flows = try [
            "web 203.0.113.1 tcp 443", "web 2001:db8:bad::1 udp 1", "web 192.0.2.1 tcp 443 as api.example.org", "web 192.0.2.1 tcp 8081",
            "db 198.51.100.2 tcp 5432", "idle 192.0.2.1 icmp 0",
        ].map { try scene.read($0) }
        let policy = scene.policy
        var allowed = 0
        // Once before it counts: what is made at first use is made then.
        for flow in flows { _ = policy.evaluate(endpoint: flow.endpoint, flow.flow, bindings: flow.bindings) }
        let before = exeat_allocations_of_this_thread()
        var index = 0
        while index < 12_000 {
            let (endpoint, flow) = (flows[index % 6].endpoint, flows[index % 6].flow)
            if policy.evaluate(endpoint: endpoint, flow, bindings: flows[index % 6].bindings).isAllowed { allowed += 1 }
            index += 1
        }
        let after = exeat_allocations_of_this_thread()
        #expect(after == before)
        #expect(allowed == 4_000)
    }
}
