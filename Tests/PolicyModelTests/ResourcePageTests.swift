import Foundation
import PolicyModel
import Testing

/// The pages in docs/resources say something about every field that the decoder knows.
struct ResourcePageTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/resources")

    @Test(arguments: [
        ("networkpolicy.md", ResourceFields.networkPolicy), ("networkpolicy.md", ResourceFields.globalNetworkPolicy),
        ("networkpolicy.md", ResourceFields.metadata), ("networkpolicy.md", ResourceFields.rule),
        ("networkpolicy.md", ResourceFields.entityRule), ("networkpolicy.md", ResourceFields.icmp),
        ("networkpolicy.md", ResourceFields.http),
        ("networkpolicy.md", ResourceFields.httpPath), ("networkpolicy.md", ResourceFields.serviceAccounts),
        ("networkpolicy.md", ResourceFields.services), ("networkpolicy.md", ResourceFields.ruleMetadata),
        ("staged.md", ResourceFields.staged), ("tier.md", ResourceFields.tier), ("networkset.md", ResourceFields.networkSet),
        ("hostendpoint.md", ResourceFields.hostEndpoint), ("hostendpoint.md", ResourceFields.hostEndpointPort),
        ("workloadendpoint.md", ResourceFields.workloadEndpoint), ("workloadendpoint.md", ResourceFields.workloadEndpointPort),
        ("profile.md", ResourceFields.profile), ("felixconfiguration.md", ResourceFields.felixConfiguration),
        ("felixconfiguration.md", ResourceFields.felixConfigurationChecked), ("felixconfiguration.md", ResourceFields.protoPort),
        ("inputs.md", ResourceFields.endpointSlice), ("inputs.md", ResourceFields.sliceEndpoint), ("inputs.md", ResourceFields.slicePort),
    ])
    func `a page mentions every field`(page: String, fields: [String]) throws {
        let text = try String(contentsOf: Self.folder.appending(path: page), encoding: .utf8)
        #expect(!fields.isEmpty)
        for field in fields { #expect(text.contains("`\(field)`"), "\(page) does not mention `\(field)`") }
    }

    @Test func `every page names its origin and the differences`() throws {
        let pages = [
            "networkpolicy", "staged", "tier", "networkset", "hostendpoint", "workloadendpoint", "profile", "felixconfiguration",
            "selectors",
            "names", "inputs",
        ]
        for page in pages {
            let text = try String(contentsOf: Self.folder.appending(path: "\(page).md"), encoding: .utf8)
            #expect(text.contains("Origin: ["), "\(page)")
            #expect(text.contains("\n## Differences from "), "\(page)")
        }
    }

    @Test(arguments: [
        "networkpolicy", "staged", "tier", "networkset", "hostendpoint", "workloadendpoint", "profile", "felixconfiguration", "names",
        "inputs",
    ])
    func `the examples of a page are without findings`(page: String) throws {
        let text = try String(contentsOf: Self.folder.appending(path: "\(page).md"), encoding: .utf8)
        let blocks = text.components(separatedBy: "```yaml\n").dropFirst().compactMap { $0.components(separatedBy: "```").first }
        #expect(!blocks.isEmpty)
        #expect(load(blocks.joined(separator: "---\n")).diagnostics.map(\.description) == [])
    }
}
