import Glibc

/// A process that holds a netlink socket open.
public struct NetlinkPeer: Hashable, Sendable, CustomStringConvertible {
    public let processID: Int32
    /// As ps shows it (`/proc/PID/comm`); empty if it cannot be read.
    public let name: String
    /// Whether its descriptors were seen; else the port id is its process id, as the kernel gives the first socket of a process.
    public let isCertain: Bool

    public init(processID: Int32, name: String, isCertain: Bool = true) {
        self.processID = processID
        self.name = name
        self.isCertain = isCertain
    }

    public var description: String {
        (isCertain ? "" : "what is probably ") + (name.isEmpty ? "process \(processID)" : "process \(processID) (\(name))")
    }

    /// Who holds the netfilter socket with this port id in the calling thread's network namespace, itself included: a port id is often a
    /// process id, but need not be. By `/proc/net/netlink` and the descriptors of all processes; where those may not be read, which
    /// takes CAP_SYS_PTRACE, by the port id, if there is such a process. Slow, for error messages.
    public static func holders(ofPort portID: UInt32) -> [NetlinkPeer] {
        guard let inode = inode(ofPort: portID, table: ProcessFile.text("/proc/thread-self/net/netlink")) else { return [] }
        let wanted = "socket:[\(inode)]"
        var found: [NetlinkPeer] = []
        for process in ProcessFile.entries("/proc").compactMap({ Int32($0) }).sorted() {
            let folder = "/proc/\(process)/fd"
            guard ProcessFile.entries(folder).contains(where: { ProcessFile.link("\(folder)/\($0)") == wanted }) else { continue }
            found.append(NetlinkPeer(processID: process, name: name(of: process)))
        }
        if found.isEmpty, let process = Int32(exactly: portID), process > 0 {
            let name = Self.name(of: process)
            if !name.isEmpty { found.append(NetlinkPeer(processID: process, name: name, isCertain: false)) }
        }
        return found
    }

    static func name(of process: Int32) -> String {
        String(ProcessFile.text("/proc/\(process)/comm").split(separator: "\n").first ?? "")
    }

    /// The columns are address, protocol, port id, groups, receive and send buffer, dump, locks, drops, inode (af_netlink.c,
    /// `netlink_native_seq_show`). NETLINK_NETFILTER is 12.
    static func inode(ofPort portID: UInt32, table: String) -> UInt64? {
        for line in table.split(separator: "\n") {
            let columns = line.split(separator: " ", omittingEmptySubsequences: true)
            // Port ids that the kernel chose are printed as negative numbers by some kernels.
            guard columns.count >= 10, columns[1] == "12", let port = Int64(columns[2]), UInt32(truncatingIfNeeded: port) == portID else {
                continue
            }
            return UInt64(columns[9])
        }
        return nil
    }
}
