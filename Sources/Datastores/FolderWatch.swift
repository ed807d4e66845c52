import Glibc
import PolicyModel
import Synchronization

/// Watches the files and folders of a `PolicyFolder` with inotify(7) and one thread.
///
/// A change is reported 10 ms after the last event, at the latest 25 ms after the first; while somebody writes a file in place and has
/// not closed it, 100 ms after the last event and at the latest 1 s after the first. What counts as a change: in the
/// folders, files `*.yaml` and `*.yml` and other folders, but for hidden names (an editor's swap files); the targets of links to files; and the
/// folders above, so that a folder that is deleted, renamed or not there yet is noticed too. A ConfigMap volume replaces its link `..data`, an editor
/// renames a new file over the old one: both are changes in the folder. Who writes files in place should rename instead:
/// a reader could see half of the file in between.
///
/// Locking: `state` guards the handle of the running thread and is held only to swap it, `cache` what was read last; all else belongs to
/// the thread.
public final class FolderWatch: ResourceWatch {
    public let folder: PolicyFolder
    private let state = Mutex<FolderWatchThread?>(nil)
    private let cache = Mutex(PolicyFileCache())

    public init(_ folder: PolicyFolder) { self.folder = folder }

    deinit { stop() }

    /// Files that have not changed since the last call are not read again.
    public func load() -> ResourceLoad { cache.withLock { folder.load(&$0) } }

    /// The watches are in place when this returns.
    public func start(onChange: @escaping @Sendable () -> Void) throws(ResourceWatchError) {
        let result: Result<Void, ResourceWatchError> = state.withLock { thread in
            guard thread == nil else { return .failure(.alreadyStarted) }
            do throws(ResourceWatchError) {
                thread = try FolderWatchThread(paths: folder.paths, onChange: onChange)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    public func stop() {
        let thread = state.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.stop()
    }
}
