import CLinux
import Glibc

/// A duplicate of a socket of the daemon, as the holder hands it out to root: what is done with it is done to the daemon's own.
struct HeldSocket: ~Copyable {
    let descriptor: Int32

    init(_ name: String, runtimeDirectory: String) throws {
        let holder = try HolderConnection(runtimeDirectory: runtimeDirectory)
        let request = Array(("G" + name).utf8)
        let sent = unsafe send(holder.descriptor, request, request.count, 0)
        guard sent == request.count else { throw Problem("the holder does not read: errno \(errno)") }
        var reply = [UInt8](repeating: 0, count: 64)
        var descriptors = [Int32](repeating: -1, count: 16)
        var count: Int32 = 16
        let received = unsafe reply.withUnsafeMutableBytes { buffer in
            unsafe exeat_receive_descriptors(holder.descriptor, buffer.baseAddress, UInt(buffer.count), &descriptors, &count)
        }
        guard received > 0, count == 1 else { throw Problem("the holder does not have \(name)") }
        descriptor = descriptors[0]
    }

    deinit { close(descriptor) }
}
