import CLinux
import Glibc

/// A duplicate of a socket of the daemon, as the holder hands it out to root: what is done with it is done to the daemon's own.
struct HeldSocket: ~Copyable {
    let descriptor: Int32

    init(_ name: String, runtimeDirectory: String) throws {
        let client = socket(AF_UNIX, SocketKind.sequencedPackets | SocketKind.closeOnExec, 0)
        guard client >= 0 else { throw Problem("no socket: errno \(errno)") }
        defer { close(client) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("\(runtimeDirectory)/holder.sock".utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Problem("the path is too long") }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in path.enumerated() { unsafe target[index] = byte }
        }
        let status = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(client, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw Problem("no holder: errno \(errno)") }
        let request = Array(("G" + name).utf8)
        let sent = unsafe send(client, request, request.count, 0)
        guard sent == request.count else { throw Problem("the holder does not read: errno \(errno)") }
        var reply = [UInt8](repeating: 0, count: 64)
        var descriptors = [Int32](repeating: -1, count: 16)
        var count: Int32 = 16
        let received = unsafe reply.withUnsafeMutableBytes { buffer in
            unsafe exeat_receive_descriptors(client, buffer.baseAddress, UInt(buffer.count), &descriptors, &count)
        }
        guard received > 0, count == 1 else { throw Problem("the holder does not have \(name)") }
        descriptor = descriptors[0]
    }

    deinit { close(descriptor) }
}
