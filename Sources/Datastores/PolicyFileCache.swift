import Glibc
import PolicyModel

/// The decoded files of the last load, so that a change of one file costs the reading of one file.
struct PolicyFileCache: Sendable {
    private struct Entry {
        let identity: FileSystem.Identity
        let file: DecodedFile
        /// Whether the file was old enough when it was read: another change within the same tick of the file system's clock would
        /// leave the same identity.
        let isSettled: Bool
    }

    /// The file system's clock ticks every 10 ms at the slowest (CONFIG_HZ=100).
    private static let tickNanoseconds: UInt64 = 20_000_000

    private var entries: [String: Entry] = [:]
    private var used: [String: Entry] = [:]

    /// Before the files of a load are asked for.
    mutating func begin() {
        used = [:]
        used.reserveCapacity(entries.count)
    }

    /// Forgets what was not asked for.
    mutating func end() { entries = used }

    /// The file and its size in bytes.
    mutating func file(_ path: String) throws(FileSystem.Failure) -> (DecodedFile, byteCount: Int) {
        if let known = entries[path], known.isSettled, let identity = FileSystem.identity(of: path), identity == known.identity {
            used[path] = known
            return (known.file, identity.size)
        }
        let now = Self.now()
        let limit = ConfigurationDocument.Limit.byteCountMax
        let (bytes, identity) = try FileSystem.contents(of: path, byteCountMax: limit)
        var problems = DiagnosticList()
        var documents: [ConfigurationNode] = []
        switch bytes {
        case nil:
            problems.error(
                at: SourceLocation(file: path), field: "", "the file is larger than \(limit >> 20) MiB",
                hint: "divide it into several files")
        // A file that is being rewritten in place is empty for a moment: what it said must not be taken for withdrawn.
        case []?:
            problems.error(
                at: SourceLocation(file: path), field: "", "the file is empty", hint: "remove it, or write a new one and rename it over")
        case let bytes?:
            documents = ConfigurationDocument.nodes(yaml: bytes, file: path, &problems)
        }
        let file = DecodedFile(decoding: documents, after: problems)
        used[path] = Entry(identity: identity, file: file, isSettled: identity.changed &+ Self.tickNanoseconds < now)
        return (file, identity.size)
    }

    private static func now() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
