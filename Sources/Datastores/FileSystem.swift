import Glibc

/// The few file operations that the datastore needs, with errors as errno.
enum FileSystem {
    struct Failure: Error, Hashable {
        let errno: Int32
        var text: String { SystemText.error(errno) }
    }

    enum Kind { case directory, file, other }

    /// What a path leads to, symbolic links followed; throws if nothing.
    static func kind(of path: String) throws(Failure) -> Kind {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw Failure(errno: errno) }
        return kind(mode: status.st_mode)
    }

    static func isSymbolicLink(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    private static func kind(mode: mode_t) -> Kind {
        switch mode & S_IFMT {
        case S_IFDIR: .directory
        case S_IFREG: .file
        default: .other
        }
    }

    /// The names in a directory in byte order, without `.` and `..`; not more than `countMax`.
    static func names(in path: String, countMax: Int) throws(Failure) -> [String] {
        guard let directory = unsafe opendir(path) else { throw Failure(errno: errno) }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while names.count < countMax {
            errno = 0
            guard let entry = unsafe readdir(directory) else {
                guard errno == 0 else { throw Failure(errno: errno) }
                break
            }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                // d_name is an array of 256 bytes that holds a C string (dirent.h).
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The bytes of a regular file; nil if there are more than `byteCountMax`.
    static func contents(of path: String, byteCountMax: Int) throws(Failure) -> [UInt8]? {
        // O_NONBLOCK: opening a FIFO must not wait for a writer.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure(errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Failure(errno: errno) }
        switch kind(mode: status.st_mode) {
        case .file: break
        case .directory: throw Failure(errno: EISDIR)
        case .other: throw Failure(errno: EINVAL)
        }
        guard status.st_size <= byteCountMax else { return nil }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(errno: errno) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= byteCountMax else { return nil }
        }
    }
}
