import PolicyModel

/// Files and folders of YAML, read as one set of resources.
///
/// A folder is read with its subfolders, its own files first, each in byte order: files `*.yaml` and `*.yml`. Names that begin with a dot
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
        var problems = DiagnosticList()
        var documents: [ConfigurationNode] = []
        var byteCount = 0
        for file in files(&problems) {
            guard let bytes = contents(of: file, &problems) else { continue }
            // A file that is being rewritten in place is empty for a moment: what it said must not be taken for withdrawn.
            guard !bytes.isEmpty else {
                problems.error(
                    at: SourceLocation(file: file), field: "", "the file is empty", hint: "remove it, or write a new one and rename it over"
                )
                continue
            }
            byteCount += bytes.count
            guard byteCount <= Limit.byteCountMax else {
                problems.error(
                    at: SourceLocation(file: file), field: "", "the files together are larger than \(Limit.byteCountMax >> 20) MiB")
                break
            }
            documents += ConfigurationDocument.nodes(yaml: bytes, file: file, &problems)
        }
        let resources = ResourceSet(decoding: documents, &problems)
        return ResourceLoad(resources: resources, diagnostics: problems.diagnostics.sortedByLocation())
    }

    private func contents(of file: String, _ problems: inout DiagnosticList) -> [UInt8]? {
        let location = SourceLocation(file: file)
        let limit = ConfigurationDocument.Limit.byteCountMax
        do throws(FileSystem.Failure) {
            if let bytes = try FileSystem.contents(of: file, byteCountMax: limit) { return bytes }
            problems.error(at: location, field: "", "the file is larger than \(limit >> 20) MiB")
        } catch {
            problems.error(at: location, field: "", "cannot be read: \(error.text)")
        }
        return nil
    }

    private func files(_ problems: inout DiagnosticList) -> [String] {
        var tree = PolicyFolderTree()
        for path in paths { tree.add(path) }
        for failure in tree.failures { problems.error(at: SourceLocation(file: failure.path), field: "", failure.message) }
        return tree.files
    }
}
