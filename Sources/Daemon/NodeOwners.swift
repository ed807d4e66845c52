import Glibc
import NetfilterTables
import PolicyModel

/// The users and cgroups of this node, as they are now.
struct NodeOwners: Equatable {
    private let users: [String: UInt32]
    /// Where the cgroups of version 2 are mounted; nil: nowhere, or the kernel cannot tell sockets by them.
    private let cgroupRoot: String?

    /// Nil if no descriptor or memory is left to look: then nobody is known to have come or gone.
    static func current(hasCgroups: Bool) -> NodeOwners? {
        guard let users = text(of: "/etc/passwd"), let mounts = hasCgroups ? text(of: "/proc/self/mounts") : "" else { return nil }
        return NodeOwners(users: readUsers(users), cgroupRoot: mountPoint(mounts))
    }

    static let unknown = NodeOwners(users: [:], cgroupRoot: nil)

    /// Nil if the node has no such user or cgroup.
    func owner(of processes: ProcessClass) -> ProcessClassRule.Owner? {
        switch processes {
        case .users(let range): return .users(range)
        case .userName(let name): return users[name].map { .users($0...$0) }
        case .cgroup(let path):
            guard let cgroupRoot else { return nil }
            var status = stat()
            // The id of a cgroup is the inode of its folder (Linux 5.5); another one after a restart of the unit.
            guard unsafe stat("\(cgroupRoot)/\(path)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
            return .cgroup(UInt64(status.st_ino), level: UInt32(path.split(separator: "/").count))
        }
    }

    /// A file that is not there, or not for us, says nothing.
    private static func text(of file: String) -> String? {
        do throws(DaemonError) { return try TextFile.read(file) } catch { return [EMFILE, ENFILE, ENOMEM].contains(error.code) ? nil : "" }
    }

    /// Names and numbers of `/etc/passwd` (passwd(5)).
    private static func readUsers(_ text: String) -> [String: UInt32] {
        var found: [String: UInt32] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 3, let number = UInt32(fields[2]) else { continue }
            if found[String(fields[0])] == nil { found[String(fields[0])] = number }
        }
        return found
    }

    /// Of `/proc/self/mounts` (proc_pid_mounts(5)).
    private static func mountPoint(_ mounts: String) -> String? {
        for line in mounts.split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: " ")
            if fields.count >= 3, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }
}
