import CLinux
import Glibc

/// A connection to the holder, which takes them from root.
struct HolderConnection: ~Copyable {
    let descriptor: Int32

    init(runtimeDirectory: String) throws {
        descriptor = socket(AF_UNIX, SocketKind.sequencedPackets | SocketKind.closeOnExec, 0)
        guard descriptor >= 0 else { throw Problem("no socket: errno \(errno)") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("\(runtimeDirectory)/holder.sock".utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Problem("the path is too long") }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in path.enumerated() { unsafe target[index] = byte }
        }
        let status = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw Problem("no holder: errno \(errno)") }
    }

    deinit { close(descriptor) }
}
