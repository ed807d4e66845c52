/// How a command ended.
public struct CommandResult: Sendable, Hashable {
    /// The exit status; 128 + the signal's number if a signal ended it, as a shell reports it.
    public let status: Int32
    public let stdout: String
    public let stderr: String
    /// From the start of the program to its end.
    public let milliseconds: Double

    public init(status: Int32, stdout: String, stderr: String, milliseconds: Double) {
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.milliseconds = milliseconds
    }

    public var isSuccess: Bool { status == 0 }
}
