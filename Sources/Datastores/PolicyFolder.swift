import Glibc
import PolicyModel

/// Files and folders of YAML, read as one set of resources.
///
/// A folder is read with its subfolders, its own files first, each in byte order: files `*.yaml` and `*.yml`, in capitals too. Names that begin with a dot
/// are passed over; so are links to folders, while links to files are followed (a ConfigMap volume is made of them). A
/// file that is named itself is read whatever its name. Everything is bounded, and what exceeds a limit is an error.
public struct PolicyFolder: Sendable {
    public enum Limit {
        public static let fileCountMax = 10_000
        /// Names in one folder, of any kind.
        public static let nameCountMax = 100_000
        /// Folders within each other.
        public static let depthMax = 16
        /// Of all files together; of one file: `ConfigurationDocument.Limit.byteCountMax`.
        public static let byteCountMax = 64 << 20
    }

    public let paths: [String]

    public init(paths: [String]) { self.paths = paths }
    public init(_ path: String) { self.init(paths: [path]) }

    /// Reads and checks everything. A path that does not exist and a file that cannot be read are errors; a folder without
    /// files is valid and empty.
    public func load() -> ResourceLoad {
        var cache = PolicyFileCache()
        return load(&cache)
    }

    /// As above; files that have not changed since the last time are taken from `cache`.
    func load(_ cache: inout PolicyFileCache) -> ResourceLoad {
        var tree = walk()
        // A file may go while the others are read: then what is there is looked at again, and in the end reported as it is.
        for attempt in 0..<Self.attemptsMax {
            var isGone = false
            let load = read(tree, &cache, isLast: attempt == Self.attemptsMax - 1, isGone: &isGone)
            if !isGone { return load }
            tree = walk()
        }
        var isGone = false
        return read(tree, &cache, isLast: true, isGone: &isGone)
    }

    private static let attemptsMax = 8

    private func walk() -> PolicyFolderTree {
        var tree = PolicyFolderTree()
        for path in paths { tree.add(path) }
        return tree
    }

    private func read(
        _ tree: PolicyFolderTree, _ cache: inout PolicyFileCache, isLast: Bool, isGone: inout Bool
    ) -> ResourceLoad {
        var problems = DiagnosticList()
        for failure in tree.failures {
            let hint = paths.contains(failure.path) ? "give a file or folder that there is" : Self.unreadableHint
            problems.error(at: SourceLocation(file: failure.path), field: "", failure.message, hint: hint)
        }
        var decoded: [DecodedFile] = []
        decoded.reserveCapacity(tree.files.count)
        var byteCount = 0
        cache.begin()
        for file in tree.files {
            do throws(FileSystem.Failure) {
                let (content, size) = try cache.file(file)
                byteCount += size
                guard byteCount <= Limit.byteCountMax else {
                    problems.error(
                        at: SourceLocation(file: file), field: "", "the files together are larger than \(Limit.byteCountMax >> 20) MiB",
                        hint: "take out what no rule uses")
                    break
                }
                decoded.append(content)
            } catch {
                if error.errno == ENOENT, !isLast { isGone = true }
                problems.error(at: SourceLocation(file: file), field: "", "cannot be read: \(error.text)", hint: Self.unreadableHint)
            }
        }
        cache.end()
        let resources = ResourceSet(combining: decoded, &problems)
        return ResourceLoad(resources: resources, diagnostics: problems.diagnostics.sortedByLocation())
    }

    /// What cannot be read might be a rule that denies: so all of it must be.
    private static let unreadableHint = "every .yaml and .yml file is read; remove it, or let its name begin with a dot"
}
