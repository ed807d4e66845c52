import Datastores
import Dispatch
import Logging
import Synchronization

/// Files that are read again, on a queue of their own, whenever one changes, is replaced or its link leads elsewhere, and every five seconds, as a link that
/// leads nowhere yet, or over others, cannot be watched.
final class FollowedFiles: Sendable {
    private static let rereadSeconds = 5

    let queue: DispatchQueue
    private let watch: FolderWatch
    private let isEmpty: Bool
    private let meaning: String
    private let logger: Logger
    private let isStopped = Atomic<Bool>(false)
    /// A file that was being written will be read again; once, however often it was found so.
    private let isRetryWaiting = Atomic<Bool>(false)
    private let reading = Mutex<(@Sendable () -> Void)?>(nil)

    /// `meaning` is what the log calls them.
    init(_ files: [String], of meaning: String, logger: Logger) {
        queue = DispatchQueue(label: "exeat-\(meaning)")
        watch = FolderWatch(PolicyFolder(paths: files.sorted()))
        isEmpty = files.isEmpty
        self.meaning = meaning
        self.logger = logger
    }

    /// Has `reading` read all of them, now and from now on. It must not hold on to this object.
    func start(_ reading: @escaping @Sendable () -> Void) {
        guard !isEmpty else { return }
        self.reading.withLock { $0 = reading }
        do throws(ResourceWatchError) {
            try watch.start { [weak self] in
                guard let self else { return }
                queue.async { [weak self] in self?.read() }
            }
        } catch {
            logger.error("files of \(meaning) are not watched", metadata: ["error": "\(error)"])
        }
        // What changed before the watch was in place.
        queue.async { [weak self] in self?.read() }
        reread()
    }

    /// Nothing is read behind this but what is under way.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        watch.stop()
    }

    /// In a second: somebody is still writing one of them.
    func retry() {
        guard !isRetryWaiting.exchange(true, ordering: .relaxed) else { return }
        queue.asyncAfter(deadline: .now() + .seconds(1)) { [weak self] in
            guard let self else { return }
            isRetryWaiting.store(false, ordering: .relaxed)
            read()
        }
    }

    private func reread() {
        queue.asyncAfter(deadline: .now() + .seconds(Self.rereadSeconds)) { [weak self] in
            guard let self, !isStopped.load(ordering: .relaxed) else { return }
            read()
            reread()
        }
    }

    private func read() {
        guard !isStopped.load(ordering: .relaxed) else { return }
        reading.withLock { $0 }?()
    }
}
