/// The Kubernetes service whose endpoints (addresses with ports) a rule's destination matches.
public struct ServiceMatch: Sendable, Hashable {
    public var name: String
    /// Nil: the policy's own.
    public var namespace: String?

    public init(name: String, namespace: String? = nil) {
        self.name = name
        self.namespace = namespace
    }
}
