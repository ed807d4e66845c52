import Foundation
import PolicyModel
import Testing

/// The pages of the dialects say something about every field that the decoder knows, and their examples are without errors.
struct DialectPageTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/resources")

    private static func text(_ page: String) throws -> String {
        try String(contentsOf: folder.appending(path: "\(page).md"), encoding: .utf8)
    }

    @Test(arguments: [
        ("kubernetes-networkpolicy", ResourceFields.kubernetesNetworkPolicy),
        ("kubernetes-networkpolicy", ResourceFields.kubernetesIngressRule),
        ("kubernetes-networkpolicy", ResourceFields.kubernetesEgressRule), ("kubernetes-networkpolicy", ResourceFields.kubernetesPeer),
        ("kubernetes-networkpolicy", ResourceFields.kubernetesBlock), ("kubernetes-networkpolicy", ResourceFields.kubernetesPort),
        ("kubernetes-networkpolicy", ResourceFields.labelSelector), ("kubernetes-networkpolicy", ResourceFields.labelExpression),
        ("clusternetworkpolicy", ResourceFields.clusterNetworkPolicy), ("clusternetworkpolicy", ResourceFields.clusterPolicySubject),
        ("clusternetworkpolicy", ResourceFields.clusterPolicyPods), ("clusternetworkpolicy", ResourceFields.clusterPolicyIngressRule),
        ("clusternetworkpolicy", ResourceFields.clusterPolicyEgressRule), ("clusternetworkpolicy", ResourceFields.clusterPolicyEgressPeer),
        ("clusternetworkpolicy", ResourceFields.clusterPolicyProtocol), ("clusternetworkpolicy", ResourceFields.clusterPolicyPort),
        ("clusternetworkpolicy", ResourceFields.clusterPolicyPortNumber), ("clusternetworkpolicy", ResourceFields.clusterPolicyPortRange),
        ("cilium", ResourceFields.ciliumRule), ("cilium", ResourceFields.ciliumEgressRule), ("cilium", ResourceFields.ciliumIngressRule),
        ("cilium", ResourceFields.ciliumDefaultDeny), ("cilium", ResourceFields.ciliumCIDRSet), ("cilium", ResourceFields.ciliumName),
        ("cilium", ResourceFields.ciliumService), ("cilium", ResourceFields.ciliumServiceName), ("cilium", ResourceFields.ciliumPortRule),
        ("cilium", ResourceFields.ciliumPort), ("cilium", ResourceFields.ciliumICMP), ("cilium", ResourceFields.ciliumICMPField),
        ("egressfirewall", ResourceFields.egressFirewallRule), ("egressfirewall", ResourceFields.egressFirewallDestination),
        ("egressfirewall", ResourceFields.egressFirewallPort), ("serviceentry", ResourceFields.serviceEntry),
        ("serviceentry", ResourceFields.serviceEntryPort),
    ])
    func `a page of a dialect mentions every field`(page: String, fields: [String]) throws {
        let text = try Self.text(page)
        #expect(!fields.isEmpty)
        for field in fields { #expect(text.contains("`\(field)`"), "\(page) does not mention `\(field)`") }
    }

    @Test(arguments: ["kubernetes-networkpolicy", "clusternetworkpolicy", "cilium", "egressfirewall", "serviceentry"])
    func `a page of a dialect names its origin and the differences, and its example is read`(page: String) throws {
        let text = try Self.text(page)
        #expect(text.contains("Origin: ["))
        #expect(text.contains("\n## Differences from "))
        let parts = text.split(separator: "```yaml\n").dropFirst().compactMap { $0.split(separator: "```").first }
        #expect(parts.count == 1)
        for part in parts {
            let (resources, diagnostics) = load(String(part))
            #expect(!diagnostics.containsError, "\(diagnostics.map(\.description))")
            #expect(!resources.policies.isEmpty)
        }
    }
}
