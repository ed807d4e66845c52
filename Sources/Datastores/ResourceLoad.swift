import PolicyModel

/// The outcome of reading a datastore once.
public struct ResourceLoad: Sendable, Equatable {
    public let resources: ResourceSet
    /// By place.
    public let diagnostics: [PolicyDiagnostic]

    public init(resources: ResourceSet, diagnostics: [PolicyDiagnostic]) {
        self.resources = resources
        self.diagnostics = diagnostics
    }

    /// Whether `resources` is the whole and may replace what is in force.
    public var isUsable: Bool { !diagnostics.containsError }
}
