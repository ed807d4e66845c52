/// Why a lab could not be built or a command in it could not be run.
public enum LabError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Network namespaces need root (`CAP_SYS_ADMIN` and `CAP_NET_ADMIN`).
    case notRoot
    /// A program that the lab starts is not on this machine.
    case missingTool(String)
    /// A program ended with another status than zero; `output` is what it wrote to standard error, else to standard output.
    case commandFailed(command: String, status: Int32, output: String)
    /// Something did not become ready, or a command did not end, in its time.
    case timedOut(String, seconds: Double)
    /// A system call failed.
    case system(call: String, errno: Int32)
    /// The configuration cannot be built, e.g. two pods of one name.
    case badConfiguration(String)

    public var description: String {
        switch self {
        case .notRoot: "network namespaces need root"
        case .missingTool(let name): "\(name) is not installed: run `make deps`"
        case .commandFailed(let command, let status, let output): "`\(command)` ended with status \(status): \(output)"
        case .timedOut(let what, let seconds): "\(what): timed out after \(seconds) s"
        case .system(let call, let errno): "\(call): \(errorText(errno))"
        case .badConfiguration(let reason): reason
        }
    }
}
