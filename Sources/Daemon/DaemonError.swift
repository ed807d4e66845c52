import Glibc

/// Why something of the daemon could not be done: what, the kernel's reason, and the way out.
public struct DaemonError: Error, CustomStringConvertible, Sendable {
    public let what: String
    /// errno, or 0.
    public let code: Int32
    public let hint: String?

    public init(_ what: String, code: Int32 = 0, hint: String? = nil) {
        self.what = what
        self.code = code
        self.hint = hint
    }

    public var description: String {
        var text = what
        if code != 0 { text += unsafe ": \(String(cString: unsafe strerror(code)))" }
        if let hint { text += " (\(hint))" }
        return text
    }
}
