import Glibc
import Synchronization

/// Descriptors that this process was started with: sockets by systemd's protocol (sd_listen_fds(3)), and what the privileged part of the
/// start hands to the part that follows (`Privileges`).
enum Inheritance {
    private struct State {
        var isRead = false
        var sockets: [Int32] = []
        var holder: Int32?
        var queueStatistics: Int32?
        var isLimited = false
    }

    static let variable = "EXEAT_INHERITED"
    private static let state = Mutex(State())

    /// Sockets of a socket unit. They are handed out once, and closed on exec from now on.
    static var sockets: [Int32] { read { $0.sockets } }
    /// A connection to the holder, made as root.
    static var holder: Int32? { read { $0.holder } }
    /// `/proc/net/netfilter/nfnetlink_queue`, which only root may open.
    static var queueStatistics: Int32? { read { $0.queueStatistics } }
    /// Whether this is what the privileged part has started.
    static var isLimited: Bool { read { $0.isLimited } }

    /// What the privileged part passes on, for the environment.
    static func text(holder: Int32, queueStatistics: Int32?) -> String {
        (["holder=\(holder)"] + (queueStatistics.map { ["queues=\($0)"] } ?? [])).joined(separator: ",")
    }

    private static func read<Value>(_ body: (State) -> Value) -> Value {
        state.withLock { state in
            if !state.isRead {
                state.isRead = true
                load(&state)
            }
            return body(state)
        }
    }

    private static func load(_ state: inout State) {
        if let text = environment(variable) {
            state.isLimited = true
            for pair in text.split(separator: ",") {
                let words = pair.split(separator: "=")
                guard words.count == 2, let descriptor = Int32(words[1]), isOpen(descriptor) else { continue }
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                if words[0] == "holder" { state.holder = descriptor }
                if words[0] == "queues" { state.queueStatistics = descriptor }
            }
            unsafe unsetenv(variable)
        }
        guard let process = environment("LISTEN_PID").flatMap({ pid_t($0) }), process == getpid(),
            let count = environment("LISTEN_FDS").flatMap({ Int32($0) }), (1...1_024).contains(count)
        else { return }
        // SD_LISTEN_FDS_START. The variables stay for the part that follows; a child's process id is another one.
        state.sockets = (3..<3 + count).filter(isOpen)
    }

    /// A child that is started, other than by `Privileges`, does not get them.
    static func closeOnExec() {
        for descriptor in sockets { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }

    private static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    private static func isOpen(_ descriptor: Int32) -> Bool { fcntl(descriptor, F_GETFD) >= 0 }
}
