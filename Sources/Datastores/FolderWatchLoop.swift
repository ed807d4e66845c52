import Glibc

/// What the thread of a `FolderWatch` runs: inotify events in, calls out. Closes its descriptors when it goes.
///
/// After every burst of events the watches are renewed from a fresh walk and only then the change is reported: what
/// happened in a new folder before it was watched is seen by the reader, what happens later by the watch.
final class FolderWatchLoop {
    /// Which names in a watched folder matter.
    private enum Interest {
        /// A folder that is read: files of policy, links to such, folders that are not hidden, `..data` and its kind; and the next components of
        /// paths that lead through it.
        case folder(leading: Set<String>)
        /// A folder above: the next component of the path.
        case names(Set<String>)
    }

    private let paths: [String]
    private let inotify: Int32
    private let stop: Int32
    private let onChange: @Sendable () -> Void
    private var interests: [Int32: Interest] = [:]
    private var watchedPaths: [Int32: String] = [:]
    private var links: Set<String> = []
    /// Whether something happened that changes what has to be watched: folders, links, the watched things themselves.
    private var isStale = false
    /// Some watch could not be added: changes are then reported on suspicion, every `blindMilliseconds`.
    private var isBlind = false
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    /// Files that somebody has begun to write and not closed.
    private var unfinished: Set<String> = []

    /// After the last event, and at the latest after the first: short where each event left a whole file behind, long while a file
    /// is being written.
    static let quietMilliseconds: UInt64 = 10
    static let delayMillisecondsMax: UInt64 = 25
    static let unfinishedQuietMilliseconds: UInt64 = 100
    static let unfinishedDelayMillisecondsMax: UInt64 = 1_000
    static let blindMilliseconds: UInt64 = 10_000

    init(paths: [String], inotify: Int32, stop: Int32, onChange: @escaping @Sendable () -> Void) {
        self.paths = paths
        self.inotify = inotify
        self.stop = stop
        self.onChange = onChange
    }

    deinit {
        close(inotify)
        close(stop)
    }

    static let threadName = "exeat-watch"

    func run() {
        nameThread()
        var firstEvent: UInt64?
        var lastEvent: UInt64 = 0
        var lastReport = Self.now()
        while true {
            var deadline: UInt64?
            if let firstEvent {
                deadline =
                    unfinished.isEmpty
                    ? min(lastEvent + Self.quietMilliseconds, firstEvent + Self.delayMillisecondsMax)
                    : min(lastEvent + Self.unfinishedQuietMilliseconds, firstEvent + Self.unfinishedDelayMillisecondsMax)
            } else if isBlind {
                deadline = lastReport + Self.blindMilliseconds
            }
            switch wait(until: deadline) {
            case .stopped: return
            case .timedOut:
                firstEvent = nil
                unfinished.removeAll()
                lastReport = Self.now()
                if isStale || isBlind { renewWatches() }
                onChange()
            case .readable:
                if readEvents() {
                    lastEvent = Self.now()
                    firstEvent = firstEvent ?? lastEvent
                }
            }
        }
    }

    /// For top(1) and the like; see proc(5), `/proc/thread-self/comm`.
    private func nameThread() {
        let descriptor = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        let name = Array(Self.threadName.utf8)
        _ = unsafe write(descriptor, name, name.count)
        close(descriptor)
    }

    // Waiting

    private enum Wake { case stopped, timedOut, readable }

    private func wait(until deadline: UInt64?) -> Wake {
        while true {
            var descriptors = [pollfd(fd: stop, events: Int16(POLLIN), revents: 0), pollfd(fd: inotify, events: Int16(POLLIN), revents: 0)]
            var timeout: Int32 = -1
            if let deadline {
                let now = Self.now()
                timeout = deadline > now ? Int32(clamping: deadline - now) : 0
            }
            let count = unsafe poll(&descriptors, 2, timeout)
            if count < 0, errno == EINTR { continue }
            // The other end of the pair was closed: POLLHUP.
            if descriptors[0].revents != 0 || count < 0 { return .stopped }
            if count == 0 { return .timedOut }
            // Events that go on without a pause must not put the report off for ever.
            if let deadline, Self.now() >= deadline { return .timedOut }
            return .readable
        }
    }

    private static func now() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
    }

    // Events

    /// Empties the queue. True if one of the events matters.
    private func readEvents() -> Bool {
        var matters = false
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(inotify, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return matters }
            if examineEvents(byteCount: count) { matters = true }
        }
    }

    /// inotify(7), `struct inotify_event`, in host order, names padded with zeros:
    ///
    ///     0        4        8        12       16
    ///     | wd     | mask   | cookie | len    | name[len] ...
    private func examineEvents(byteCount: Int) -> Bool {
        var matters = false
        var offset = 0
        while offset + 16 <= byteCount {
            let (watch, mask, nameCount) = unsafe buffer.withUnsafeBytes { bytes in
                unsafe (
                    bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self),
                    bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self),
                    Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                )
            }
            let nameStart = offset + 16
            offset = nameStart + nameCount
            guard offset <= byteCount else { break }
            let name = String(decoding: buffer[nameStart..<offset].prefix { $0 != 0 }, as: UTF8.self)
            if self.matters(watch: watch, mask: mask, name: name) { matters = true }
        }
        return matters
    }

    private func matters(watch: Int32, mask: UInt32, name: String) -> Bool {
        if mask & UInt32(IN_Q_OVERFLOW) != 0 {
            isStale = true
            return true
        }
        // A watch that is gone was told apart before, by DELETE_SELF, or was removed by us.
        if mask & UInt32(IN_IGNORED) != 0 { return false }
        guard let interest = interests[watch] else { return false }
        if name.isEmpty {
            isStale = true
            return true
        }
        let matters =
            switch interest {
            case .folder(let leading): leading.contains(name) || isRead(name, mask)
            case .names(let names): names.contains(name)
            }
        if matters {
            noteProgress(of: "\(watch) \(name)", mask)
            if !isStale { isStale = changesWatches(watch, interest, mask, name) }
        }
        return matters
    }

    /// Whether a folder is read for something of this name. Of others, such as a log that is written there, nothing is to be learned.
    private func isRead(_ name: String, _ mask: UInt32) -> Bool {
        if name.hasPrefix("..") { return true }
        return !name.hasPrefix(".") && (mask & UInt32(IN_ISDIR) != 0 || PolicyFolderTree.isPolicyFile(name))
    }

    /// A file that is no link, in a folder that is read, is found by name whenever the folder is read.
    private func changesWatches(_ watch: Int32, _ interest: Interest, _ mask: UInt32, _ name: String) -> Bool {
        guard case .folder = interest, mask & UInt32(IN_ISDIR) == 0, let folder = watchedPaths[watch] else { return true }
        let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
        return links.contains(path) || FileSystem.isSymbolicLink(path)
    }

    /// A new or a changed file is whole only when its writer closes it; one that is renamed into place is whole at once.
    private func noteProgress(of file: String, _ mask: UInt32) {
        if mask & Self.beginning != 0, mask & UInt32(IN_ISDIR) == 0 {
            unfinished.insert(file)
        } else if mask & Self.ending != 0 {
            unfinished.remove(file)
        }
    }

    private static let beginning = UInt32(IN_CREATE) | UInt32(IN_MODIFY)
    private static let ending = UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO) | UInt32(IN_DELETE)

    // Watches

    private static let mask: UInt32 = [
        IN_CLOSE_WRITE, IN_CREATE, IN_MODIFY, IN_DELETE, IN_MOVED_FROM, IN_MOVED_TO, IN_ATTRIB, IN_DELETE_SELF, IN_MOVE_SELF,
    ].reduce(0) { $0 | UInt32($1) }

    /// Walks the paths and makes the watches fit what is there.
    func renewWatches() {
        var renewed: [Int32: Interest] = [:]
        isBlind = false
        isStale = false
        watchedPaths = [:]
        links = []
        for path in paths {
            for (folder, name) in Self.ancestors(of: path) { add(folder, .names([name]), to: &renewed) }
        }
        // A folder is watched before it is listed again for what was made in it meanwhile.
        var known: Set<String> = []
        while true {
            var tree = PolicyFolderTree()
            for path in paths { tree.add(path) }
            let found = tree.folders + tree.links
            links.formUnion(tree.links)
            let fresh = found.filter { known.insert($0).inserted }
            if fresh.isEmpty { break }
            for path in fresh { add(path, .folder(leading: []), to: &renewed) }
        }
        for watch in interests.keys where renewed[watch] == nil { inotify_rm_watch(inotify, watch) }
        interests = renewed
    }

    private func add(_ path: String, _ interest: Interest, to renewed: inout [Int32: Interest]) {
        let watch = unsafe inotify_add_watch(inotify, path, Self.mask)
        guard watch >= 0 else {
            // What is not there is noticed by the folder above it.
            if errno != ENOENT, errno != ENOTDIR { isBlind = true }
            return
        }
        if case .folder = interest { watchedPaths[watch] = path }
        renewed[watch] =
            switch (renewed[watch], interest) {
            case (nil, _): interest
            case (.names(let old)?, .names(let new)): .names(old.union(new))
            case (.names(let old)?, .folder(let new)), (.folder(let old)?, .names(let new)), (.folder(let old)?, .folder(let new)):
                .folder(leading: old.union(new))
            }
    }

    /// The folders above `path` as far as they exist, each with the name in it that leads on.
    private static func ancestors(of path: String) -> [(folder: String, name: String)] {
        var folder = "/"
        if !path.hasPrefix("/") {
            guard let current = unsafe getcwd(nil, 0) else { return [] }
            folder = unsafe String(cString: current)
            unsafe free(current)
        }
        var result: [(folder: String, name: String)] = []
        for component in path.split(separator: "/") where component != "." {
            result.append((folder, String(component)))
            folder = folder == "/" ? "/\(component)" : "\(folder)/\(component)"
        }
        return result
    }
}
