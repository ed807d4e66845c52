/// Policies as a user writes them.
enum PolicyText {
    /// Everything of the namespace `default` that no other policy allows is refused.
    static let denyRest = """
        apiVersion: projectcalico.org/v3
        kind: NetworkPolicy
        metadata:
          name: default-deny
          namespace: default
        spec:
          order: 1000
          selector: all()
          types: [Egress]

        """

    /// Allows a protocol (nil: any) to names.
    static func allow(
        _ name: String, selector: String = "app == \"shop\"", protocol transport: String? = "TCP", domains: [String]
    ) -> String {
        let list = domains.map { "\n          - \"\($0)\"" }.joined()
        return """
            apiVersion: projectcalico.org/v3
            kind: NetworkPolicy
            metadata:
              name: \(name)
              namespace: default
            spec:
              order: 100
              selector: \(selector)
              types: [Egress]
              egress:
                - action: Allow\(transport.map { "\n      protocol: \($0)" } ?? "")
                  destination:
                    domains:\(list)

            """
    }
}
