import PolicyModel
import Testing

/// `networking.istio.io` ServiceEntry (istio.io, "Service Entry").
struct DialectServiceEntryTests {
    @Test func `hosts and addresses become a set with the entry's labels`() throws {
        let spec = """
            hosts: [api.example.org, "*.example.net", api.example.org]
            addresses: [192.0.2.1, 198.51.100.0/24, "2001:db8::1"]
            location: MESH_EXTERNAL
            resolution: NONE
            exportTo: ["*"]
            """
        let (resources, diagnostics) = DialectFile.entry.load(spec, metadata: ", labels: {role: partner}")
        #expect(diagnostics == [])
        let set = try #require(resources.networkSets.first)
        #expect(set.identity == "shop/web")
        #expect(set.kind == .serviceEntry)
        #expect(set.labels == ["role": "partner"])
        #expect(set.allowedEgressDomains.map(\.description) == ["api.example.org", "*.example.net"])
        #expect(set.nets.map(\.description) == ["192.0.2.1/32", "198.51.100.0/24", "2001:db8::1/128"])
        #expect(resources.policies == [])
    }

    @Test(arguments: ["v1", "v1beta1", "v1alpha3"])
    func `every version is read`(version: String) {
        let yaml = DialectFile.entry.yaml("hosts: [a.example.org]").replacing("io/v1\n", with: "io/\(version)\n")
        let (resources, diagnostics) = load(yaml)
        #expect(diagnostics == [])
        #expect(resources.networkSets.count == 1)
    }

    @Test(arguments: [
        ("hosts: [a.example.org]\nports: [{number: 443, name: https, protocol: TLS, targetPort: 8443}]", ["ports restrict nothing here"]),
        ("hosts: [a.example.org]\nlocation: MESH_INTERNAL", ["spec.location: makes no difference here"]),
        ("hosts: [a.example.org]\nsubjectAltNames: ['spiffe://example.org/a']", ["certificates are not looked at"]),
        ("hosts: [a.example.org]\nexportTo: ['.']", ["confines nothing here"]),
        ("hosts: [a.example.org]\nexportTo: [other, '*']", ["confines nothing here"]),
        ("hosts: [a.example.org]\nsubjectAltNames: []\nports: []\nexportTo: []", []),
    ])
    func `what is not kept is warned of`(spec: String, warnings: [String]) {
        let found = DialectFile.entry.load(spec).diagnostics.map(\.description)
        #expect(found.count == warnings.count, "\(found)")
        for warning in warnings { #expect(found.contains { $0.contains("warning: ") && $0.contains(warning) }, "\(found)") }
    }
}
