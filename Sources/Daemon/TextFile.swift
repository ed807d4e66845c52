import Glibc

/// Small files, whole. A FIFO without a writer reads as empty.
enum TextFile {
    /// Whether a file was changed within the last second: somebody may still be writing.
    static func isFresh(_ file: String) -> Bool {
        var status = stat()
        var now = timespec()
        guard unsafe stat(file, &status) == 0, unsafe clock_gettime(CLOCK_REALTIME, &now) == 0 else { return false }
        return abs(now.tv_sec - status.st_mtim.tv_sec) <= 1
    }

    static func read(_ path: String, bytesMax: Int = .max) throws(DaemonError) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw DaemonError("cannot open \(path)", code: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw DaemonError("cannot read \(path)", code: errno)
            }
            if count == 0 { break }
            guard bytes.count + count <= bytesMax else { throw DaemonError("\(path) has more than \(bytesMax) bytes") }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
