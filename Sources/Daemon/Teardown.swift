import Glibc
import NetfilterTables

/// Removes enforcement: through the daemon, and directly when it is dead.
public enum Teardown {
    /// What was done, for people.
    public static func run(runtimeDirectory: String) throws -> String {
        do {
            try ControlClient.ask("down", runtimeDirectory: runtimeDirectory) { _ in true }
            return "enforcement removed by the daemon, which ends"
        } catch let error as DaemonError where error.code == ENOENT || error.code == ECONNREFUSED {
            // Nobody listens: no daemon lives. Any other failure is the daemon's own, and it goes on.
            return try withoutDaemon(runtimeDirectory)
        }
    }

    /// Runtime directories whose holders live in this network namespace, by their listening sockets (`/proc/net/unix`, proc(5)):
    ///
    ///     Num: RefCount Protocol Flags Type St Inode Path
    private static func directoriesOfHolders() -> [String] {
        guard let text = try? TextFile.read("/proc/net/unix") else { return [] }
        let holder = Holder.socketPath(runtimeDirectory: "")
        return text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 7)
            // `__SO_ACCEPTCON`
            guard fields.count == 8, fields[3] == "00010000", fields[7].hasSuffix(holder) else { return nil }
            return String(fields[7].dropLast(holder.count))
        }
    }

    private static func withoutDaemon(_ runtimeDirectory: String) throws -> String {
        // One that starts or ends holds the lock and has no control socket: it would go on without holder and table, and close the node at its end.
        let lock = unsafe open(ExeatDaemon.lockPath(runtimeDirectory), O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        defer { if lock >= 0 { close(lock) } }
        guard lock < 0 || flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            throw DaemonError("a daemon is starting or ending in \(runtimeDirectory)", hint: "try again; one that hangs ends by kill -9")
        }
        // What the dead daemon could not remove.
        unsafe unlink(ControlSocket.path(runtimeDirectory: runtimeDirectory))
        let done: String
        if let holder = HolderClient(existingIn: runtimeDirectory) {
            if let kept = try holder.get("table") {
                var table = try TableSocket(adopting: kept)
                try table.remove()
            }
            try holder.quit()
            done = "the daemon is dead: table removed, holder ended"
        } else if let other = directoriesOfHolders().first(where: { $0 != runtimeDirectory }) {
            throw DaemonError(
                "nothing runs in \(runtimeDirectory), but \(other) has what enforces here",
                hint: "`exeat down --runtime-directory \(other)`")
        } else {
            // Nobody owns the table: it is an orphan, or there is none.
            var table = try TableSocket()
            try table.remove()
            done = "no daemon and no holder: a table that was left is removed"
        }
        guard ListenAddresses.areNoted(in: runtimeDirectory) else { return done }
        let user = unsafe getpwnam(ExeatConfiguration().user).map { unsafe $0.pointee.pw_uid }
        do {
            try RuntimeDirectory.check(runtimeDirectory, owners: [0, geteuid(), user ?? 0])
            try ListenAddresses.removeAll(runtimeDirectory: runtimeDirectory)
        } catch {
            throw DaemonError("\(done); addresses of the resolver are left: \(error)", hint: "`ip address` shows them")
        }
        return done
    }
}
