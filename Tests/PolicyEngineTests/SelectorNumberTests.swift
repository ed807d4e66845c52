import PolicyEngine
import Testing

struct SelectorNumberTests {
    private static func text(_ domains: String) -> String {
        """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: p}
        spec: {selector: app == "web", types: [Egress], egress: [{action: Allow, destination: {domains: [\(domains)]}}]}
        """
    }

    @Test func `equal lists keep their number and no number is used again for another list`() throws {
        var compiler = PolicyCompiler()
        var numbers: [[SelectorNumber]] = []
        for list in [
            "a.example.org, b.example.org", "b.example.org, A.example.org", "c.example.org", "d.example.org",
            "a.example.org, b.example.org",
        ] {
            numbers.append(try Scene(Self.text(list), &compiler).endpoint("web").selectors)
        }
        #expect(numbers[0] == numbers[1])
        #expect(numbers[4] == numbers[0])
        #expect(Set([numbers[0], numbers[2], numbers[3]]).count == 3)
        #expect(numbers.allSatisfy { $0.count == 1 && $0 != [anyNameSelector] })
    }

    @Test func `rules with equal lists share one number and an endpoint has the numbers of its own rules`() throws {
        let other = """
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: q}
            spec:
              selector: app in {"web", "db"}
              types: [Egress]
              egress:
                - {action: Allow, protocol: UDP, destination: {domains: [a.example.org]}}
                - {action: Allow, protocol: TCP, destination: {domains: ["*.example.org"]}}
            """
        let scene = try Scene(Self.text("a.example.org") + "\n" + other)
        let (web, db, job) = (try scene.endpoint("web"), try scene.endpoint("db"), try scene.endpoint("job"))
        #expect(web.selectors.count == 2)
        #expect(web.selectors == db.selectors)
        #expect(job.selectors == [])
        let position = try #require(scene.policy.endpoints.firstIndex { $0.name == "web" })
        #expect(scene.policy.selectors(of: try .init(parsing: "a.example.org"), endpoint: position) == web.selectors)
        #expect(scene.policy.selectors(of: try .init(parsing: "b.example.org"), endpoint: position).count == 1)
        #expect(scene.policy.selectors(of: try .init(parsing: "example.org"), endpoint: position) == [])
    }
}
