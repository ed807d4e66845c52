/// A `ServiceAccount` of `v1`: its labels are inherited by the endpoints that run under it, under `pcsa.`.
public struct ServiceAccount: Sendable, Hashable {
    public var name: String
    public var namespace: String
    public var labels: [String: String]
    public var location: SourceLocation?

    public init(name: String, namespace: String, labels: [String: String] = [:], location: SourceLocation? = nil) {
        self.name = name
        self.namespace = namespace
        self.labels = labels
        self.location = location
    }
}
