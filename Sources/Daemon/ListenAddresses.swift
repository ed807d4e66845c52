import CLinux
import Glibc
import NetworkTypes

/// Puts the resolver's addresses on an interface of the node and takes them off again, by rtnetlink(7).
///
/// What was added stands in a file of the runtime directory before it is added: after a crash it is still known whose it is. An address that somebody
/// else has put on an interface stays theirs. A restart leaves the addresses, `exeat down` takes them.
enum ListenAddresses {
    private static func path(_ directory: String) -> String { "\(directory)/addresses" }

    /// Adds those that are on no interface, and takes off those of an earlier configuration that are not wanted any more.
    static func use(_ addresses: [IPAddress], on interface: String?, runtimeDirectory: String) throws(DaemonError) {
        let recorded = try recorded(in: runtimeDirectory)
        let wanted = interface.map { name in addresses.map { Entry(interface: name, address: $0) } } ?? []
        guard !recorded.isEmpty || !wanted.isEmpty else { return }
        // Those that cannot be taken off are kept in mind, and keep nothing else from being done.
        var failure: DaemonError?
        var left: [Entry] = []
        for entry in recorded where !wanted.contains(entry) {
            do throws(DaemonError) { try change(entry, adds: false) } catch {
                failure = failure ?? error
                left.append(entry)
            }
        }
        var own: [Entry] = []
        if !wanted.isEmpty {
            let present = Set(try HostAddresses.everyAddress().map(\.address))
            own = wanted.filter { recorded.contains($0) || !present.contains($0.address) }
        }
        try record(left + own, in: runtimeDirectory)
        for entry in own { try change(entry, adds: true) }
        if let failure { throw failure }
    }

    /// Takes off all that was added.
    static func removeAll(runtimeDirectory: String) throws(DaemonError) { try use([], on: nil, runtimeDirectory: runtimeDirectory) }

    static func areNoted(in directory: String) -> Bool { unsafe access(path(directory), F_OK) == 0 }

    private struct Entry: Equatable {
        let interface: String
        let address: IPAddress
    }

    private static func recorded(in directory: String) throws(DaemonError) -> [Entry] {
        let text: String
        do throws(DaemonError) { text = try TextFile.read(path(directory), bytesMax: 65_536) } catch {
            if error.code == ENOENT { return [] }
            throw error
        }
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 2, let address = IPAddress(parsing: String(words[1])) else { return nil }
            return Entry(interface: String(words[0]), address: address)
        }
    }

    private static func record(_ entries: [Entry], in directory: String) throws(DaemonError) {
        guard !entries.isEmpty else {
            unsafe unlink(path(directory))
            return
        }
        let text = entries.map { "\($0.interface) \($0.address)\n" }.joined()
        do { try text.write(toFile: path(directory), atomically: true, encoding: .utf8) } catch {
            throw DaemonError("cannot write \(path(directory)): \(error)", hint: "the addresses of dns.listen are noted there")
        }
    }

    /// One RTM_NEWADDR or RTM_DELADDR (`struct ifaddrmsg`, linux/if_addr.h). What is there already, or gone already, is no error.
    private static func change(_ entry: Entry, adds: Bool) throws(DaemonError) {
        let index = unsafe if_nametoindex(entry.interface)
        guard index != 0 else {
            if !adds { return }
            throw DaemonError(
                "dns.interface: there is no interface \(entry.interface)",
                hint: "`lo` is always there; the daemon adds addresses, no interfaces")
        }
        // NETLINK_ROUTE is 0.
        let descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw DaemonError("cannot open an rtnetlink socket", code: errno) }
        defer { close(descriptor) }
        let address = entry.address.networkBytes
        // RTM_NEWADDR with NLM_F_CREATE | NLM_F_EXCL, RTM_DELADDR; NLM_F_REQUEST | NLM_F_ACK with either.
        let (type, flags): (UInt16, UInt16) = adds ? (20, 0x605) : (21, 0x005)
        // IFA_F_NODAD: an address on this node alone is usable at once.
        let family = entry.address.family == .v4 ? AF_INET : AF_INET6
        var message = native(UInt32(0)) + native(type) + native(flags) + native(UInt32(1)) + native(UInt32(0))
        message += [UInt8(family), UInt8(8 * address.count), entry.address.family == .v4 ? 0 : 0x02, 0] + native(index)
        // IFA_ADDRESS, IFA_LOCAL.
        for attribute in [UInt16(1), 2] { message += native(UInt16(4 + address.count)) + native(attribute) + address }
        message.replaceSubrange(0..<4, with: native(UInt32(message.count)))
        guard unsafe send(descriptor, message, message.count, 0) == message.count else {
            throw DaemonError("cannot send to rtnetlink", code: errno)
        }
        var answer = [UInt8](repeating: 0, count: 4_096)
        // NLMSG_ERROR: the header, then the negative error.
        guard unsafe recv(descriptor, &answer, answer.count, 0) >= 20 else { throw DaemonError("no answer of rtnetlink", code: errno) }
        let error = unsafe -answer.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: 16, as: Int32.self) }
        guard error == 0 || error == (adds ? EEXIST : EADDRNOTAVAIL) else {
            throw DaemonError(
                "cannot \(adds ? "add" : "remove") \(entry.address) \(adds ? "to" : "from") \(entry.interface)", code: error,
                hint: adds ? "dns.interface needs CAP_NET_ADMIN, and IPv6 on that interface for an IPv6 address" : nil)
        }
    }

    private static func native(_ value: some FixedWidthInteger) -> [UInt8] {
        unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
    }
}
