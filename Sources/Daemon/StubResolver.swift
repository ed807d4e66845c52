import Glibc
import NetworkTypes

/// A resolver on a loopback address of this node that its processes ask (`resolv.conf`) and that is not Exeat: systemd-resolved, dnsmasq, unbound.
/// It asks for everybody, so that no answer tells who wanted it.
public struct StubResolver: Sendable, Hashable {
    /// As `nameserver` names it.
    public let address: IPAddress
    /// Who listens on UDP port 53 there; nil: nobody does.
    public let listener: Listener?

    public struct Listener: Sendable, Hashable {
        /// The user of the socket.
        public let user: UInt32
        /// Nil: only root can see it.
        public let process: Process?
    }

    public struct Process: Sendable, Hashable {
        public let id: Int32
        public let name: String
    }

    /// The stub resolvers that a `resolv.conf` names, in its order; `own` are the addresses of Exeat's resolver. None of a file that cannot be read.
    public static func find(resolvConf path: String, own: [IPAddress] = []) -> [StubResolver] {
        guard let text = try? TextFile.read(path) else { return [] }
        let addresses = nameservers(text).filter { isLoopback($0) && !own.contains($0) }
        guard !addresses.isEmpty else { return [] }
        let sockets = NodeSocket.all("udp").filter { $0.localPort == 53 && $0.state == .close }
        return addresses.map { address in
            let socket =
                sockets.first { $0.local == address }
                ?? sockets.first { isUnspecified($0.local) && ($0.local.family == address.family || $0.local.family == .v6) }
            return StubResolver(address: address, listener: socket.map { Listener(user: $0.user, process: process(ofSocket: $0.inode)) })
        }
    }

    /// Servers beyond this node that a `resolv.conf` names: what they answer the node's processes goes past Exeat, unless it is read on its way.
    static func elsewhere(resolvConf path: String, except known: Set<IPAddress>) -> [IPAddress] {
        guard let text = try? TextFile.read(path) else { return [] }
        return nameservers(text).filter { !isLoopback($0) && !known.contains($0) }
    }

    /// resolv.conf(5): `nameserver ADDRESS`, a zone (`%eth0`) aside; each once.
    static func nameservers(_ text: String) -> [IPAddress] {
        var found: [IPAddress] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count >= 2, words[0] == "nameserver", let host = words[1].split(separator: "%").first,
                let address = IPAddress(parsing: String(host)), !found.contains(address)
            else { continue }
            found.append(address)
        }
        return found
    }

    static func isLoopback(_ address: IPAddress) -> Bool {
        let address = address.mappedV4 ?? address
        return switch address.family {
        case .v4: address.v4 >> 24 == 127
        case .v6: address.upper == 0 && address.lower == 1
        }
    }

    private static func isUnspecified(_ address: IPAddress) -> Bool {
        address.family == .v4 ? address.v4 == 0 : address.upper == 0 && address.lower == 0
    }

    /// The process that has the socket open: whichever comes first.
    private static func process(ofSocket inode: UInt64) -> Process? {
        let wanted = "socket:[\(inode)]"
        for name in entries("/proc") {
            guard let id = Int32(name), entries("/proc/\(id)/fd").contains(where: { link("/proc/\(id)/fd/\($0)") == wanted }) else {
                continue
            }
            let command = (try? TextFile.read("/proc/\(id)/comm"))?.split(whereSeparator: \.isNewline).first
            return Process(id: id, name: command.map(String.init) ?? "?")
        }
        return nil
    }

    private static func entries(_ path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            names.append(
                unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
                })
        }
        return names
    }

    private static func link(_ path: String) -> String {
        var bytes = [CChar](repeating: 0, count: 128)
        let count = unsafe readlink(path, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
    }
}

extension StubResolver: CustomStringConvertible {
    /// `127.0.0.53, systemd-resolved (pid 512)`.
    public var description: String {
        guard let listener else { return "\(address), where nobody listens" }
        guard let process = listener.process else { return "\(address), a process of user \(listener.user)" }
        return "\(address), \(process.name) (pid \(process.id))"
    }
}
