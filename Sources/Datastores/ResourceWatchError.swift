/// Why a watch could not start.
public enum ResourceWatchError: Error, Hashable, Sendable, CustomStringConvertible {
    case alreadyStarted
    /// A system call failed.
    case system(call: String, errno: Int32)

    public var description: String {
        switch self {
        case .alreadyStarted: "the watch runs already"
        case .system(let call, let errno): "\(call): \(SystemText.error(errno))"
        }
    }
}
