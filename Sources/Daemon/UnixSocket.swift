import CLinux
import Glibc

/// Unix-domain sockets, by path.
enum UnixSocket {
    /// Binds and listens; a socket file that nobody listens on any more is replaced. Mode 0660, so that only root and the
    /// group of the directory get through. Of several who begin at once one listens, and the others are told.
    static func listen(_ path: String, kind: Int32) throws(DaemonError) -> Int32 {
        // Looking for another and taking its place are one step.
        let directory = unsafe open(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0, flock(directory, LOCK_EX) == 0 else {
            let code = errno
            close(directory)
            throw DaemonError("cannot lock the directory of \(path)", code: code)
        }
        defer { close(directory) }
        if let other = try? connect(path, kind: kind) {
            close(other)
            throw DaemonError("another process listens on \(path)", hint: "is exeat running already? `exeat status` tells")
        }
        unsafe unlink(path)
        let descriptor = socket(AF_UNIX, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw DaemonError("cannot make a socket", code: errno) }
        let old = umask(0o117)
        defer { umask(old) }
        let status = unsafe try withAddress(path) { address, length in unsafe bind(descriptor, address, length) }
        guard status == 0, Glibc.listen(descriptor, 64) == 0 else {
            let code = errno
            close(descriptor)
            throw DaemonError("cannot listen on \(path)", code: code)
        }
        return descriptor
    }

    /// `timeoutSeconds`: after which connecting, reading and writing fail with EAGAIN; nil: never.
    static func connect(_ path: String, kind: Int32, timeoutSeconds: Int? = nil) throws(DaemonError) -> Int32 {
        let descriptor = socket(AF_UNIX, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw DaemonError("cannot make a socket", code: errno) }
        if let timeoutSeconds {
            var time = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
            }
        }
        let status = unsafe try withAddress(path) { address, length in unsafe Glibc.connect(descriptor, address, length) }
        guard status == 0 else {
            let code = errno
            close(descriptor)
            throw DaemonError("cannot connect to \(path)", code: code)
        }
        return descriptor
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(DaemonError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw DaemonError("socket path too long: \(path)") }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in bytes.enumerated() { unsafe target[index] = byte }
        }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
