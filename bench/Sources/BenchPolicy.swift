import DomainNames
import NetworkTypes

/// The policy of every measurement: what the shipped one does, for names and addresses enough to measure with.
enum BenchPolicy {
    /// Any name below it has the address 192.0.2.50 (a wildcard of the lab's DNS server).
    static let zone = "wild.example.org"
    /// Any name below it has 24 addresses.
    static let manyZone = "many.example.org"
    /// Whose addresses the verdict loop is asked about.
    static let floodName = "flood.wild.example.org"
    /// Those addresses: 4,096 from here on.
    static let floodFirst: UInt32 = 0xc612_0000  // 198.18.0.0
    static let floodAddressCount = 4_096
    static let floodPort: UInt16 = 10_000
    static let webName = "api.example.org"
    static let webAddress = IPAddress(v4: 0xc000_020a)

    /// Where throughput is measured: no port on which names are verified.
    static let throughputPort: UInt16 = 5201

    /// Two tiers; a denied set of addresses is looked at before the rules that allow names.
    ///
    /// - Parameter verifyName: the annotation `exeat.io/verify-name` of the policy that allows them; nil for none.
    static func text(verifyName: String? = nil) -> String {
        let annotations = verifyName.map { ", annotations: {exeat.io/verify-name: \"\($0)\"}" } ?? ""
        return """
            apiVersion: projectcalico.org/v3
            kind: Tier
            metadata: {name: security}
            spec: {order: 100, defaultAction: Pass}
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkSet
            metadata:
              name: blocked-networks
              labels: {reputation: blocked}
            spec:
              nets: [169.254.169.254/32, 100.64.0.0/10]
            ---
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: security.blocked-networks}
            spec:
              tier: security
              order: 10
              selector: all()
              types: [Egress]
              egress:
                - action: Deny
                  destination: {selector: reputation == "blocked"}
            ---
            apiVersion: projectcalico.org/v3
            kind: NetworkPolicy
            metadata: {name: shop, namespace: default\(annotations)}
            spec:
              order: 100
              selector: app == "shop"
              types: [Egress]
              egress:
                - action: Allow
                  protocol: TCP
                  destination:
                    domains: [\(webName), "*.cdn.example.net"]
                    ports: [80, 443, \(throughputPort)]
                - action: Allow
                  protocol: UDP
                  destination:
                    domains: ["*.\(zone)", "*.\(manyZone)"]
                    ports: ["10000:19999"]
            ---
            apiVersion: projectcalico.org/v3
            kind: NetworkPolicy
            metadata: {name: default-deny, namespace: default}
            spec:
              order: 1000
              selector: all()
              types: [Egress]
            """
    }
}
