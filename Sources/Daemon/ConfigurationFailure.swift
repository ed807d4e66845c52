import PolicyModel

/// A configuration or policy that cannot be used, with everything that is wrong with it.
public struct ConfigurationFailure: Error, CustomStringConvertible, Sendable {
    public let diagnostics: [PolicyDiagnostic]

    public init(diagnostics: [PolicyDiagnostic]) { self.diagnostics = diagnostics }

    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}
