/// A `Namespace` of `v1`: its labels are inherited by what lives in it, under `pcns.`.
public struct Namespace: Sendable, Hashable {
    public var name: String
    public var labels: [String: String]
    public var location: SourceLocation?

    public init(name: String, labels: [String: String] = [:], location: SourceLocation? = nil) {
        self.name = name
        self.labels = labels
        self.location = location
    }
}
