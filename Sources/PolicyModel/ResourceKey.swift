/// What tells one resource from every other of a load.
public struct ResourceKey: Hashable, Sendable, CustomStringConvertible {
    public let kind: ResourceKind
    /// Nil for a kind without namespaces.
    public let namespace: String?
    public let name: String

    public init(_ kind: ResourceKind, namespace: String? = nil, name: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }

    /// `Kind namespace/name`.
    public var description: String { "\(kind.rawValue) \(namespace.map { "\($0)/" } ?? "")\(name)" }
}
