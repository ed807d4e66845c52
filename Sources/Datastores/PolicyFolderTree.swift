/// What a walk over the paths of a `PolicyFolder` finds: for the reader the files, for the watch the folders and links too.
struct PolicyFolderTree {
    private typealias Limit = PolicyFolder.Limit

    private(set) var files: [String] = []
    private(set) var folders: [String] = []
    /// Those of `files` that are symbolic links: they change elsewhere.
    private(set) var links: [String] = []
    private(set) var failures: [(path: String, message: String)] = []

    mutating func add(_ path: String) {
        do throws(FileSystem.Failure) {
            switch try FileSystem.kind(of: path) {
            case .directory: walk(path, depth: 0)
            case .file: addFile(path)
            case .other: failures.append((path, "is neither a file nor a folder"))
            }
        } catch {
            failures.append((path, "cannot be read: \(error.text)"))
        }
    }

    private mutating func walk(_ folder: String, depth: Int) {
        guard depth <= Limit.depthMax else {
            failures.append((folder, "more than \(Limit.depthMax) levels of folders"))
            return
        }
        folders.append(folder)
        var subfolders: [String] = []
        do throws(FileSystem.Failure) {
            let entries = try FileSystem.entries(in: folder, countMax: Limit.nameCountMax + 1)
            if entries.count > Limit.nameCountMax { failures.append((folder, "more than \(Limit.nameCountMax) names in one folder")) }
            for entry in entries where !entry.name.hasPrefix(".") {
                let path = folder.hasSuffix("/") ? folder + entry.name : "\(folder)/\(entry.name)"
                visit(path, entry.kind, subfolders: &subfolders)
            }
        } catch {
            failures.append((folder, "cannot be read: \(error.text)"))
        }
        for subfolder in subfolders { walk(subfolder, depth: depth + 1) }
    }

    private mutating func visit(_ path: String, _ kind: FileSystem.Kind?, subfolders: inout [String]) {
        let isPolicyFile = Self.isPolicyFile(path)
        if kind == .file {
            if isPolicyFile { addFile(path, isPlain: true) }
            return
        }
        do throws(FileSystem.Failure) {
            switch try FileSystem.kind(of: path) {
            case .directory:
                if !FileSystem.isSymbolicLink(path) { subfolders.append(path) }
            case .file:
                if isPolicyFile { addFile(path) }
            case .other:
                if isPolicyFile { failures.append((path, "is no file")) }
            }
        } catch {
            // A broken link, or removed since the folder was listed. The reader must not take less for the whole.
            if isPolicyFile { failures.append((path, "cannot be read: \(error.text)")) }
        }
    }

    /// In capitals too: a rule that denies must not be passed over because of them.
    static func isPolicyFile(_ path: String) -> Bool {
        let end = String(decoding: path.utf8.suffix(5), as: UTF8.self).lowercased()
        return end == ".yaml" || end.hasSuffix(".yml")
    }

    private mutating func addFile(_ path: String, isPlain: Bool = false) {
        guard files.count < Limit.fileCountMax else {
            if failures.last?.message != Self.tooManyFiles { failures.append((path, Self.tooManyFiles)) }
            return
        }
        files.append(path)
        if !isPlain, FileSystem.isSymbolicLink(path) { links.append(path) }
    }

    private static let tooManyFiles = "more than \(Limit.fileCountMax) files"
}
