import PolicyModel
import Telemetry

/// A configuration or policy that cannot be used, with everything that is wrong with it.
public struct ConfigurationFailure: Error, CustomStringConvertible, Sendable {
    public let diagnostics: [PolicyDiagnostic]

    /// The configuration with defaults in place of what is wrong, if at least the workload interfaces could be read: enough to
    /// close them.
    let readSoFar: ExeatConfiguration?

    public init(diagnostics: [PolicyDiagnostic], readSoFar: ExeatConfiguration? = nil) {
        self.diagnostics = diagnostics
        self.readSoFar = readSoFar
    }

    /// A line for each, whatever the files say.
    public var description: String { diagnostics.map { TerminalText.plain($0.description) }.joined(separator: "\n") }
}
