import NetworkTypes

/// A line of `/proc/net/tcp`, `tcp6`, `udp` or `udp6` (proc_net_tcp(5)): a socket of this network namespace.
struct NodeSocket: Hashable {
    enum State: UInt8 {
        case established = 1
        case finWait1 = 4
        case finWait2 = 5
        /// Of an unconnected UDP socket.
        case close = 7
        case closeWait = 8
        case listen = 10
    }

    let local: IPAddress
    let localPort: UInt16
    let remote: IPAddress
    let remotePort: UInt16
    /// Nil: a state that nobody here asks for.
    let state: State?
    let user: UInt32
    let inode: UInt64

    /// `  0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 ...`; nil for the heading and for what is
    /// no such line.
    init?(line: some StringProtocol) {
        let fields = line.split(separator: " ")
        guard fields.count >= 10, let local = Self.end(fields[1]), let remote = Self.end(fields[2]),
            let state = UInt8(fields[3], radix: 16),
            let user = UInt32(fields[7]), let inode = UInt64(fields[9])
        else { return nil }
        self.local = local.address
        localPort = local.port
        self.remote = remote.address
        remotePort = remote.port
        self.state = State(rawValue: state)
        self.user = user
        self.inode = inode
    }

    /// Sockets of one protocol, both families; none of a file that cannot be read.
    static func all(_ name: String) -> [NodeSocket] {
        ["/proc/net/\(name)", "/proc/net/\(name)6"].flatMap { path in
            ((try? TextFile.read(path)) ?? "").split(separator: "\n").compactMap { NodeSocket(line: $0) }
        }
    }

    /// Words of 32 bits in the machine's order, each as hexadecimal digits; the port follows in the usual order.
    private static func end(_ text: some StringProtocol) -> (address: IPAddress, port: UInt16)? {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1], radix: 16) else { return nil }
        var words: [UInt32] = []
        var rest = parts[0]
        while !rest.isEmpty {
            guard rest.utf8.count >= 8, let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            words.append(UInt32(bigEndian: word))
            rest = rest.dropFirst(8)
        }
        switch words.count {
        case 1: return (IPAddress(v4: words[0]), port)
        case 4:
            let address = IPAddress(
                v6Upper: UInt64(words[0]) << 32 | UInt64(words[1]), lower: UInt64(words[2]) << 32 | UInt64(words[3]))
            return (address.mappedV4 ?? address, port)
        default: return nil
        }
    }
}
