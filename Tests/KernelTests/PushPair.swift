import CLinux
import DemoNetwork
import Glibc
import NetworkTypes

/// A TCP connection between two namespaces of which both ends are ours: the side that was called speaks first. IPv4.
final class PushPair: @unchecked Sendable {
    private let listener: Int32
    private let caller: Int32
    private let called: Int32

    init(to address: IPAddress, port: UInt16, from: DemoNetwork.Namespace, in namespace: DemoNetwork.Namespace, user: uid_t? = nil) throws {
        let listener = try namespace.withThread {
            let descriptor = socket(AF_INET, SocketKind.stream | SocketKind.closeOnExec, 0)
            var one: Int32 = 1
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
            guard unsafe Self.with(address, port, { unsafe bind(descriptor, $0, $1) }) == 0, listen(descriptor, 1) == 0 else {
                throw Problem("cannot listen: errno \(errno)")
            }
            return descriptor
        }
        let caller = try from.withThread {
            // Of this thread alone (setfsuid(2)).
            if let user { exeat_set_file_user(user) }
            let descriptor = socket(AF_INET, SocketKind.stream | SocketKind.closeOnExec, 0)
            var limit = timeval(tv_sec: 2, tv_usec: 0)
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            guard unsafe Self.with(address, port, { unsafe Glibc.connect(descriptor, $0, $1) }) == 0 else {
                throw Problem("no connection: errno \(errno)")
            }
            return descriptor
        }
        called = accept(listener, nil, nil)
        self.listener = listener
        self.caller = caller
        guard called >= 0 else { throw Problem("not accepted: errno \(errno)") }
    }

    deinit { for descriptor in [listener, caller, called] { close(descriptor) } }

    /// Sends one byte from the side that was called, and one back; whether both arrive within two seconds.
    func push() -> Bool { carry(called, caller) && carry(caller, called) }

    private func carry(_ sender: Int32, _ receiver: Int32) -> Bool {
        var byte: UInt8 = 7
        guard unsafe send(sender, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { return false }
        var entry = pollfd(fd: receiver, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&entry, 1, 2_000) > 0 else { return false }
        return unsafe recv(receiver, &byte, 1, 0) == 1
    }

    private static func with(_ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = address.v4.bigEndian
        return unsafe withUnsafePointer(to: &target) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}
