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

    /// What must be the same for the content of a file to be the same (stat(2)).
    struct Identity: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
        let size: Int
        let modified: UInt64
        /// Of the inode, nanoseconds since 1970; no program can set it back.
        let changed: UInt64

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int(status.st_size)
            modified = UInt64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ UInt64(status.st_mtim.tv_nsec)
            changed = UInt64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ UInt64(status.st_ctim.tv_nsec)
        }
    }

    /// Of what a path leads to; nil if nothing.
    static func identity(of path: String) -> Identity? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? Identity(status) : nil
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

    /// A name in a directory, and what the directory says of it.
    struct Entry {
        let name: String
        /// nil if it takes a look at the file to know.
        let kind: Kind?
    }

    /// The names in a directory in byte order, without `.` and `..`; not more than `countMax`.
    static func entries(in path: String, countMax: Int) throws(Failure) -> [Entry] {
        guard let directory = unsafe opendir(path) else { throw Failure(errno: errno) }
        defer { unsafe closedir(directory) }
        var entries: [Entry] = []
        while entries.count < countMax {
            errno = 0
            guard let entry = unsafe readdir(directory) else {
                guard errno == 0 else { throw Failure(errno: errno) }
                break
            }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                // d_name is an array of 256 bytes that holds a C string (dirent.h).
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            let kind: Kind? =
                switch Int(unsafe entry.pointee.d_type) {
                case DT_REG: .file
                case DT_DIR: .directory
                default: nil
                }
            entries.append(Entry(name: name, kind: kind))
        }
        return entries.sorted { Self.precedes($0.name, $1.name) }
    }

    /// Byte order.
    private static func precedes(_ left: String, _ right: String) -> Bool {
        let fast: Bool?? = unsafe left.utf8.withContiguousStorageIfAvailable { left in
            unsafe right.utf8.withContiguousStorageIfAvailable { right in
                let order = unsafe memcmp(left.baseAddress!, right.baseAddress!, min(left.count, right.count))
                return order == 0 ? left.count < right.count : order < 0
            }
        }
        return (fast ?? nil) ?? left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    /// The bytes of a regular file, and what it was before they were read; no bytes if there are more than `byteCountMax`.
    static func contents(of path: String, byteCountMax: Int) throws(Failure) -> (bytes: [UInt8]?, identity: Identity) {
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
        let identity = Identity(status)
        guard status.st_size <= byteCountMax else { return (nil, identity) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(errno: errno) }
            if count == 0 { return (bytes, identity) }
            bytes += chunk[..<count]
            guard bytes.count <= byteCountMax else { return (nil, identity) }
        }
    }
}
