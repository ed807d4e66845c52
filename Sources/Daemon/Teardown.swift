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
        try ListenAddresses.removeAll(runtimeDirectory: runtimeDirectory)
        guard let holder = HolderClient(existingIn: runtimeDirectory) else {
            // Nobody owns the table: it is an orphan, or there is none.
            var table = try TableSocket()
            try table.remove()
            return "no daemon and no holder: a table that was left is removed"
        }
        if let kept = try holder.get("table") {
            var table = try TableSocket(adopting: kept)
            try table.remove()
        }
        try holder.quit()
        return "the daemon is dead: table removed, holder ended"
    }
}
