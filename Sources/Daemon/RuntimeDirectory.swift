import Foundation
import Glibc

/// The folder of what outlives the process: bindings, numbers, sockets, and which addresses were put on an interface. What stands in it is believed.
enum RuntimeDirectory {
    /// Makes it where there is none. Throws if somebody else than root, this process and `user` could write in it.
    static func make(_ path: String, user: uid_t?) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o750])
        } catch {
            throw DaemonError("cannot make \(path): \(error)", hint: "set runtimeDirectory to a folder that can be written")
        }
        try check(path, owners: [0, geteuid(), user ?? 0])
    }

    static func check(_ path: String, owners: Set<uid_t>) throws(DaemonError) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { throw DaemonError("cannot look at \(path)", code: errno) }
        // A link is followed: the folder that it leads to is asked about, and who could lead it elsewhere writes in another folder.
        if status.st_mode & S_IFMT == S_IFLNK {
            guard owners.contains(status.st_uid), unsafe stat(path, &status) == 0 else {
                throw DaemonError("\(path) is another user's link", hint: "set runtimeDirectory to a folder of root")
            }
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw DaemonError("\(path) is no folder", hint: "set runtimeDirectory to one") }
        guard owners.contains(status.st_uid) else {
            throw DaemonError(
                "\(path) belongs to user \(status.st_uid), who is neither root nor the configured user",
                hint: "what stands there is believed: if that is right, chown root \(path)")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw DaemonError("\(path) can be written by others", hint: "what stands there is believed: chmod go-w \(path)")
        }
    }
}
