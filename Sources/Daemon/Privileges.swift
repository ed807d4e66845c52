import CLinux
import Foundation
import Logging
import NetfilterQueue

/// What the daemon may do: three capabilities, in a process that can never gain others, under a user of its own where there is one, and
/// after the start without the system calls that it does not need.
///
/// Capabilities belong to threads. So they are not taken from a process that runs already: the first thing that `exeat run` does as root
/// is to prepare what only root can (owner of the files, holder, the file of the queues' statistics), to give up the rest, and to
/// begin anew with execve(2) as the same process. Every thread then starts with what is left. A daemon that was started without more, by a
/// unit with `User=` and `AmbientCapabilities=`, goes on as it is.
enum Privileges {
    /// CAP_NET_BIND_SERVICE (port 53), CAP_NET_ADMIN (nf_tables, queues, conntrack, marks), CAP_NET_RAW (resets of refused flows).
    static let kept: UInt64 = 1 << 10 | 1 << 12 | 1 << 13

    struct Account {
        let user: uid_t
        let group: gid_t
    }

    /// Gives up what is too much. Returns only if nothing was, or if it could not be.
    static func limit(_ configuration: ExeatConfiguration, _ logger: Logger) throws {
        if Inheritance.isLimited {
            QueueStatistics.read(from: Inheritance.queueStatistics)
            Inheritance.closeOnExec()
            let left = permitted()
            if left & ~kept != 0 { logger.warning("more capabilities are left than are needed", metadata: ["mask": "\(hex(left))"]) }
            return
        }
        let account = try Self.account(configuration)
        guard geteuid() == 0, account != nil || permitted() & ~kept != 0 else {
            Inheritance.closeOnExec()
            return
        }
        try prepare(configuration, account ?? Account(user: 0, group: 0))
        let statistics = unsafe open("/proc/self/net/netfilter/nfnetlink_queue", O_RDONLY)
        let holder = try HolderClient(startingIn: configuration.runtimeDirectory, as: account)
        try checkQueues(configuration.queues, holder)
        let passed = try holder.passedOn()
        unsafe setenv(Inheritance.variable, Inheritance.text(holder: passed, queueStatistics: statistics >= 0 ? statistics : nil), 1)
        // That of a thread of the pool is not the process's.
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe pthread_sigmask(SIG_SETMASK, &signals, nil)
        guard exeat_limit_thread(account?.user ?? 0, account?.group ?? 0, account == nil ? 0 : 1, kept) >= 0 else {
            throw DaemonError(
                "privileges cannot be given up", code: errno, hint: "CAP_SETUID, CAP_SETGID and CAP_SETPCAP are needed for it")
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe CommandLine.arguments.map { unsafe strdup($0) }
        unsafe arguments.append(nil)
        unsafe execv(programPath(), arguments)
        throw DaemonError("cannot begin anew with fewer privileges", code: errno, hint: "may the user execute \(programPath())?")
    }

    /// Refuses the system calls that are not needed after the start, for all threads. Where the kernel has no seccomp it is left out.
    static func confine(_ logger: Logger) {
        let isConfined = exeat_confine() == 0
        if !isConfined { logger.warning("system calls are not confined", metadata: ["errno": "\(errno)"]) }
        logger.info(
            "privileges",
            metadata: ["user": "\(geteuid())", "capabilities": "\(hex(permitted()))", "system_calls_confined": "\(isConfined)"])
    }

    /// `user` of the configuration; nil for root, and for the default if nobody has made that user.
    static func account(_ configuration: ExeatConfiguration) throws -> Account? {
        guard geteuid() == 0, configuration.user != "root" else { return nil }
        guard let entry = unsafe getpwnam(configuration.user) else {
            guard configuration.user == ExeatConfiguration().user else {
                throw DaemonError("there is no user \(configuration.user)", hint: "make one, or set user: root")
            }
            return nil
        }
        return unsafe Account(user: entry.pointee.pw_uid, group: entry.pointee.pw_gid)
    }

    /// A queue number that another process has is an error here already: root sees which process that is.
    private static func checkQueues(_ queues: ExeatConfiguration.Queues, _ holder: borrowing HolderClient) throws {
        for number in queues.first..<queues.first + UInt16(queues.count) {
            guard let row = QueueStatistics.all().first(where: { $0.queue == number }) else { continue }
            if let kept = try holder.get("queue-\(number)") {
                close(kept)
            } else {
                throw QueueError.heldByOther(queue: number, portID: row.portID, holders: QueueStatistics.holders(of: row))
            }
        }
    }

    /// The files that the daemon writes belong to whom it becomes.
    private static func prepare(_ configuration: ExeatConfiguration, _ account: Account) throws {
        let directory = configuration.runtimeDirectory
        // A folder of our own; links in it are not followed.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        for name in [""] + names.map({ "/" + $0 }) {
            guard unsafe lchown(directory + name, account.user, account.group) == 0 || errno == ENOENT else {
                throw DaemonError("cannot give \(directory)\(name) to user \(account.user)", code: errno, hint: "CAP_CHOWN is needed")
            }
        }
        if let log = configuration.flowLog.path { try prepare("flow log", log, account) }
        if let log = configuration.dnsLog.path { try prepare("DNS log", log, account) }
    }

    private static func prepare(_ what: String, _ log: String, _ account: Account) throws {
        // As `LogFile` opens it: a FIFO that nobody reads yet does not keep the start.
        let descriptor = unsafe open(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0 else { throw DaemonError("cannot open the \(what) \(log)", code: errno, hint: "make its folder") }
        defer { close(descriptor) }
        guard fchown(descriptor, account.user, account.group) == 0 else {
            throw DaemonError("cannot give \(log) to user \(account.user)", code: errno, hint: "CAP_CHOWN is needed")
        }
    }

    /// The file of this program, by its name if it is still there, so that ps shows that.
    static func programPath() -> String {
        var bytes = [CChar](repeating: 0, count: 4_096)
        let count = unsafe readlink("/proc/self/exe", &bytes, bytes.count)
        guard count > 0, count < bytes.count else { return "/proc/self/exe" }
        let path = String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var (named, running) = (stat(), stat())
        guard unsafe stat(path, &named) == 0, unsafe stat("/proc/self/exe", &running) == 0, named.st_ino == running.st_ino,
            named.st_dev == running.st_dev
        else { return "/proc/self/exe" }
        return path
    }

    private static func permitted() -> UInt64 {
        var mask: UInt64 = .max
        _ = unsafe exeat_capabilities(&mask)
        return mask
    }

    static func hex(_ mask: UInt64) -> String { "0x" + String(mask, radix: 16) }
}
