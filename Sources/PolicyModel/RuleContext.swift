/// What a rule has to know of the resource that it stands in.
struct RuleContext {
    /// The namespace that selectors and services of the rule mean if they name none; nil: none.
    var namespace: String?
    /// Whether names may stand in Deny rules.
    var deniesByName: Bool

    init(namespace: String?, deniesByName: Bool) {
        self.namespace = namespace
        self.deniesByName = deniesByName
    }

    init(_ metadata: ResourceDecoder.Metadata, _ kind: ResourceKind) {
        self.init(namespace: kind.isNamespaced ? metadata.namespace ?? "default" : nil, deniesByName: metadata.deniesByName)
    }
}
