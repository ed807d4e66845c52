import Glibc

extension DemoNetwork {
    /// One network namespace of a lab, under `/run/netns/NAME`.
    public struct Namespace: Sendable {
        /// The full name, as `ip netns` shows it.
        public let name: String
        /// Pods have a `/etc/resolv.conf` of their own (`/etc/netns/NAME/resolv.conf`, ip-netns(8)); the node and the internet see the
        /// files of this machine, `/sys` included.
        let hasOwnFiles: Bool
        let children: ChildRegistry

        public var path: String { "/run/netns/\(name)" }

        /// The arguments that run a command in this namespace from anywhere; the process that they start becomes the command.
        public func command(_ arguments: [String]) -> [String] {
            (hasOwnFiles ? ["ip", "netns", "exec", name] : ["nsenter", "--net=\(path)", "--"]) + arguments
        }

        /// Runs a command to its end. Another status than zero is a result, not an error.
        public func run(
            _ arguments: [String], environment: [String: String] = [:], timeoutSeconds: Double = 10
        ) throws(LabError) -> CommandResult {
            try requireTool(arguments)
            return try ChildProcess.run(command(arguments), environment: environment, timeoutSeconds: timeoutSeconds)
        }

        /// Starts a command and appends what it writes, on both outputs, to the file at `output` (nil: `/dev/null`).
        public func spawn(
            _ arguments: [String], environment: [String: String] = [:], output: String? = nil
        ) throws(LabError) -> ChildProcess {
            try requireTool(arguments)
            var descriptor: Int32 = -1
            if let output {
                descriptor = unsafe open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
                guard descriptor >= 0 else { throw .system(call: "open \(output)", errno: errno) }
            }
            defer { if descriptor >= 0 { close(descriptor) } }
            let child = try ChildProcess.start(
                command(arguments), environment: environment,
                descriptors: ChildProcess.Descriptors(output: descriptor, error: descriptor))
            children.add(child)
            return child
        }

        /// Runs `body` on a thread of its own inside this namespace and waits for it.
        public func withThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
            try startThread(body).join()
        }

        /// Starts `body` on a thread of its own inside this namespace.
        public func startThread<Value: Sendable>(
            _ body: @escaping @Sendable () throws -> Value
        ) throws(LabError) -> NamespaceThread<Value> {
            try NamespaceThread(namespacePath: path, body)
        }

        /// The processes whose main thread is in this namespace.
        public var processes: [pid_t] {
            guard let result = try? ChildProcess.run(["ip", "netns", "pids", name], timeoutSeconds: 5) else { return [] }
            return result.stdout.split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
        }

        private func requireTool(_ arguments: [String]) throws(LabError) {
            guard let tool = arguments.first, findTool(tool) != nil else { throw .missingTool(arguments.first ?? "(empty command)") }
        }

        /// Writes `/proc/sys/KEY` as this namespace sees it; keys are paths, e.g. `net/ipv4/ip_forward`.
        func set(_ settings: KeyValuePairs<String, String>) throws {
            let pairs = settings.map { ($0.key, $0.value) }
            try withThread {
                for (key, value) in pairs { try writeExisting(value, to: "/proc/sys/\(key)") }
            }
        }
    }
}

/// Writes to a file that must exist (a kernel setting).
private func writeExisting(_ text: String, to path: String) throws(LabError) {
    let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(call: "open \(path)", errno: errno) }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
    guard count == bytes.count else { throw .system(call: "write \(path)", errno: errno) }
}
