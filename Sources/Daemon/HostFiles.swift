import DNSInterceptor
import Datastores
import Enforcement
import Logging
import Synchronization

/// The names that the resolver answers for by itself, with the files of `dns.hosts`: read at the start and whenever one changes.
///
/// A file that cannot be read, or is too large, leaves the names as they were; a line that cannot be taken is passed over. Both are logged.
final class HostFiles: Sendable {
    /// Of one file, in bytes.
    static let bytesMax = 8 << 20
    /// Lines that the log tells of each time.
    private static let problemsMax = 8

    let published: Published<LocalData>
    private let files: [String]
    private let base: LocalData
    private let logger: Logger
    private let watch: FolderWatch
    /// Held while files are read, so that the newest reading is published last.
    private let reading = Mutex<HostTable?>(nil)

    init(_ configuration: ExeatConfiguration, logger: Logger) {
        files = configuration.dns.hostFiles
        base = LocalData(
            zones: configuration.localZones, hosts: configuration.dns.records, hostSeconds: configuration.dns.hostSeconds)
        published = Published(base)
        watch = FolderWatch(PolicyFolder(paths: files))
        self.logger = logger
        guard !files.isEmpty else { return }
        read()
        do throws(ResourceWatchError) {
            try watch.start { [weak self] in self?.read() }
        } catch {
            logger.error("hosts files are not watched", metadata: ["error": "\(error)"])
        }
        // What changed before the watch was in place.
        read()
    }

    private func read() {
        reading.withLock { last in
            var table = base.hosts
            for file in files {
                let text: String
                do throws(DaemonError) {
                    text = try TextFile.read(file, bytesMax: Self.bytesMax)
                } catch {
                    logger.error("hosts file not read; the names stay as they were", metadata: ["error": "\(error)"])
                    return
                }
                let problems = table.add(text)
                guard last != table else { continue }
                for problem in problems.prefix(Self.problemsMax) {
                    logger.warning(
                        "line of a hosts file passed over", metadata: ["at": "\(file):\(problem.line)", "error": "\(problem.reason)"])
                }
                if problems.count > Self.problemsMax {
                    logger.warning(
                        "further lines passed over", metadata: ["file": "\(file)", "count": "\(problems.count - Self.problemsMax)"])
                }
            }
            guard table != last else { return }
            last = table
            var data = base
            data.hosts = table
            published.publish(data)
            logger.info("hosts files read", metadata: ["names": "\(table.count)"])
        }
    }
}
