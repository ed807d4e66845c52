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
