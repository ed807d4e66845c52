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
