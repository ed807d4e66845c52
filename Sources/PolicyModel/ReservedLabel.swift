/// Labels that Calico gives to endpoints and network sets by itself.
public enum ReservedLabel {
    public static let namespace = "projectcalico.org/namespace"
    public static let orchestrator = "projectcalico.org/orchestrator"
    public static let serviceAccount = "projectcalico.org/serviceaccount"
    /// Before the name of a label that is inherited from the namespace.
    public static let namespacePrefix = "pcns."

    /// Before the name of a label that is inherited from the service account.
    public static let serviceAccountPrefix = "pcsa."

    /// Whether only a namespace or a service account gives such a label.
    static func isInherited(_ label: String) -> Bool { label.hasPrefix(namespacePrefix) || label.hasPrefix(serviceAccountPrefix) }

    /// What everything in a namespace inherits from it, beside the namespace's own labels.
    static func inherited(fromNamespace name: String) -> [String: String] {
        [
            namespace: name,
            namespacePrefix + "projectcalico.org/name": name,
            namespacePrefix + "kubernetes.io/metadata.name": name,
        ]
    }
}
