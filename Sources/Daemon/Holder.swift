import CLinux
import Glibc

/// The tiny process that keeps descriptors over a crash of the daemon: the socket that owns the table, the queue sockets
/// and the DNS sockets. It reads nothing from them and decides nothing.
///
/// It has no capability and can start no program. Requests are packets on a SOCK_SEQPACKET Unix socket, from root and its own user only:
/// `P` name + one descriptor (put), `G` name (get: `+` and the descriptor, or `-`), `D` name (drop), `L` (list),
/// `Q` (quit, closes all).
public enum Holder {
    static let socketKind = Int32(SOCK_SEQPACKET.rawValue)

    static func socketPath(runtimeDirectory: String) -> String { "\(runtimeDirectory)/holder.sock" }

    /// The holder's whole life: until `Q`. Never returns in between.
    public static func run(runtimeDirectory: String) throws {
        // The name that `nft list` and ps show.
        _ = unsafe exeat_set_name("exeat-holder")
        signal(SIGPIPE, SIG_IGN)
        signal(SIGINT, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        let path = socketPath(runtimeDirectory: runtimeDirectory)
        let listener = try UnixSocket.listen(path, kind: socketKind)
        // Where the kernel has no seccomp it is left out.
        _ = exeat_confine()
        var held: [String: Int32] = [:]
        var clients: [Int32] = []
        while true {
            var polled = ([listener] + clients).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard unsafe poll(&polled, nfds_t(polled.count), -1) >= 0 else {
                if errno == EINTR { continue }
                throw DaemonError("poll", code: errno)
            }
            for entry in polled where entry.revents != 0 {
                if entry.fd == listener {
                    let client = exeat_accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
                    guard client >= 0 else {
                        // With no descriptor left the listener stays readable: a moment's rest, or it would spin (accept(2)).
                        if errno == EMFILE || errno == ENFILE { poll(nil, 0, 100) }
                        continue
                    }
                    var group: Int32 = 0
                    var process: Int32 = 0
                    let user = unsafe exeat_peer_credentials(client, &group, &process)
                    if user == 0 || user == Int32(bitPattern: geteuid()) { clients.append(client) } else { close(client) }
                    continue
                }
                switch answer(entry.fd, &held) {
                case .goOn: break
                case .hangUp:
                    clients.removeAll { $0 == entry.fd }
                    close(entry.fd)
                case .quit:
                    unsafe unlink(path)
                    return
                }
            }
        }
    }

    private enum Next {
        case goOn
        case hangUp
        case quit
    }

    private static func answer(_ client: Int32, _ held: inout [String: Int32]) -> Next {
        var bytes = [UInt8](repeating: 0, count: 512)
        var descriptors = [Int32](repeating: -1, count: 16)
        var count: Int32 = 16
        let received = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe exeat_receive_descriptors(client, buffer.baseAddress, UInt(buffer.count), &descriptors, &count)
        }
        guard received > 0 else { return .hangUp }
        let name = String(decoding: bytes[1..<received], as: UTF8.self)
        var reply: [UInt8] = [UInt8(ascii: "+")]
        var passed: [Int32] = []
        switch bytes[0] {
        case UInt8(ascii: "P") where count == 1:
            if let old = held.updateValue(descriptors[0], forKey: name) { close(old) }
        case UInt8(ascii: "G"):
            if let descriptor = held[name] { passed = [descriptor] } else { reply = [UInt8(ascii: "-")] }
        case UInt8(ascii: "D"):
            if let old = held.removeValue(forKey: name) { close(old) }
        case UInt8(ascii: "L"):
            reply += Array(held.keys.sorted().joined(separator: "\n").utf8)
        case UInt8(ascii: "Q"):
            for descriptor in held.values { close(descriptor) }
            _ = unsafe reply.withUnsafeBytes { unsafe exeat_send_descriptors(client, $0.baseAddress, UInt($0.count), nil, 0) }
            return .quit
        default:
            for index in 0..<Int(count) { close(descriptors[index]) }
            reply = [UInt8(ascii: "?")]
        }
        let sent = unsafe reply.withUnsafeBytes {
            unsafe exeat_send_descriptors(client, $0.baseAddress, UInt($0.count), passed, Int32(passed.count))
        }
        return sent < 0 ? .hangUp : .goOn
    }
}
