import Glibc

extension ChildProcess {
    /// Descriptors for the child's standard input, output and error; -1 stands for `/dev/null`.
    struct Descriptors {
        var input: Int32 = -1
        var output: Int32 = -1
        var error: Int32 = -1
    }

    /// `POSIX_SPAWN_SETSID` of <spawn.h>, which glibc shows only under _GNU_SOURCE.
    private static let flagSetSession: Int32 = 0x80

    /// Starts a program with default signal dispositions and an empty signal mask (posix_spawn(3)). Every other descriptor of
    /// ours must be close-on-exec.
    static func start(
        _ arguments: [String], environment: [String: String] = [:], descriptors: Descriptors = Descriptors(), ownSession: Bool = false
    ) throws(LabError) -> ChildProcess {
        guard let name = arguments.first, let path = findTool(name) else { throw .missingTool(arguments.first ?? "") }

        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (target, source) in [descriptors.input, descriptors.output, descriptors.error].enumerated() {
            if source < 0 {
                unsafe posix_spawn_file_actions_addopen(&actions, Int32(target), "/dev/null", target == 0 ? O_RDONLY : O_WRONLY, 0)
            } else {
                unsafe posix_spawn_file_actions_adddup2(&actions, source, Int32(target))
            }
        }

        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let grouping = ownSession ? flagSetSession : Int32(POSIX_SPAWN_SETPGROUP)
        unsafe posix_spawnattr_setflags(&attributes, Int16(grouping | Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETSIGMASK)))

        var process: pid_t = 0
        let error = unsafe withCStrings([path] + arguments.dropFirst()) { argv in
            unsafe withCStrings(mergedEnvironment(environment)) { environment in
                Pipe.startLock.withLock { _ in unsafe posix_spawn(&process, path, &actions, &attributes, argv, environment) }
            }
        }
        guard error == 0 else { throw .system(call: "posix_spawn \(path)", errno: error) }
        return ChildProcess(pid: process)
    }

    /// Starts a program, collects what it writes, and ends it with SIGKILL when its time is over.
    static func run(_ arguments: [String], environment: [String: String] = [:], timeoutSeconds: Double) throws(LabError) -> CommandResult {
        var output = try Pipe()
        var error = try Pipe()
        let started = monotonicMilliseconds()
        let child = try start(
            arguments, environment: environment, descriptors: Descriptors(output: output.writeEnd, error: error.writeEnd))
        output.closeWriteEnd()
        error.closeWriteEnd()

        var texts: [[UInt8]] = [[], []]
        var polled = [
            pollfd(fd: output.readEnd, events: Int16(POLLIN), revents: 0), pollfd(fd: error.readEnd, events: Int16(POLLIN), revents: 0),
        ]
        // Ends when both pipes are closed, or when the program has ended and nothing is left to read: something that it
        // started may keep the pipes open for ever.
        while polled.contains(where: { $0.fd >= 0 }) {
            let ready = unsafe Glibc.poll(&polled, 2, 20)
            for index in 0..<2 where ready > 0 && polled[index].fd >= 0 && polled[index].revents != 0 {
                if readSome(polled[index].fd, into: &texts[index]) <= 0 { polled[index].fd = -1 }
            }
            if ready <= 0, child.poll() != nil { break }
            if monotonicMilliseconds() - started > timeoutSeconds * 1000 {
                child.killGroup()
                child.wait(timeoutSeconds: 1)
                throw .timedOut("`\(arguments.joined(separator: " "))`", seconds: timeoutSeconds)
            }
        }
        let rest = timeoutSeconds - (monotonicMilliseconds() - started) / 1000
        guard let status = child.wait(timeoutSeconds: max(rest, 0.1)) else {
            child.killGroup()
            child.wait(timeoutSeconds: 1)
            throw .timedOut("`\(arguments.joined(separator: " "))`", seconds: timeoutSeconds)
        }
        return CommandResult(
            status: status, stdout: String(decoding: texts[0], as: UTF8.self), stderr: String(decoding: texts[1], as: UTF8.self),
            milliseconds: monotonicMilliseconds() - started)
    }

    /// Runs a program that must succeed; gives its standard output.
    @discardableResult
    static func require(_ arguments: [String], timeoutSeconds: Double = 10) throws(LabError) -> String {
        let result = try run(arguments, timeoutSeconds: timeoutSeconds)
        guard result.isSuccess else {
            let text = result.stderr.isEmpty ? result.stdout : result.stderr
            throw .commandFailed(command: arguments.joined(separator: " "), status: result.status, output: text.trimmedLines)
        }
        return result.stdout
    }

    private static func mergedEnvironment(_ changes: [String: String]) -> [String] {
        var merged: [String: String] = ["LC_ALL": "C"]
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let pair = unsafe String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { merged[String(pair[0])] = String(pair[1]) }
            unsafe entry += 1
        }
        for (name, value) in changes { merged[name] = value }
        return merged.map { "\($0.key)=\($0.value)" }
    }

    /// A null-terminated array of C strings that lives as long as `body` runs.
    private static func withCStrings<R>(_ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R) -> R {
        var pointers = unsafe texts.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { for index in 0...texts.count { unsafe free(pointers[index]) } }
        return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }
}

extension String {
    /// Without white space and line ends around it.
    var trimmedLines: String {
        var view = self[...]
        while let last = view.last, last.isWhitespace { view.removeLast() }
        while let first = view.first, first.isWhitespace { view.removeFirst() }
        return String(view)
    }
}
