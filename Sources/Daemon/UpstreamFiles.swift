import DNSInterceptor
import Dispatch
import Enforcement
import Logging
import NetworkTypes
import Synchronization

/// Files in the form of `/etc/resolv.conf` that name upstreams: read at the start, and followed.
///
/// A file that cannot be read, is too large or names nobody who can be asked leaves the upstreams as they were. That and entries that are
/// passed over are logged and counted. Before the DNS worker asks new servers, the table and policy let it (`onChange`); those that have gone are
/// let a little longer than it takes the worker to notice.
final class UpstreamFiles: Sendable {
    /// What `/metrics` shows.
    struct Report {
        var changes: UInt64 = 0
        var failures: UInt64 = 0
        var ignoredEntries: UInt64 = 0
    }

    private enum Reading: Equatable {
        case text(String)
        case failure(String)
    }

    private static let bytesMax = 64 << 10
    /// Lines that the log tells of each time.
    private static let problemsMax = 8
    /// The worker looks once a second, and a question takes five at most.
    private static let partingSeconds = 8

    private let files: [String]
    private let lists: [String: Published<[UpstreamAddress]>]
    private let configuration: ExeatConfiguration
    private let logger: Logger
    private let followed: FollowedFiles
    private let sharedReport = Mutex(Report())
    /// The last reading of each file, so that one that is as the one before is not told again.
    private let readings = Mutex<[String: Reading]>([:])
    /// Servers that have gone and are still let, and how many changes there were: the end of the last one's time is the end of all.
    private let parting = Mutex<(servers: Set<IPAddress>, change: Int)>(([], 0))
    private let onChange = Mutex<(@Sendable ([IPAddress]) -> Void)?>(nil)

    init(_ configuration: ExeatConfiguration, logger: Logger) {
        var files: [String] = []
        for file in ([configuration.dns.upstreamFile] + configuration.dns.zones.map(\.upstreamFile)).compactMap({ $0 })
        where !files.contains(file) {
            files.append(file)
        }
        self.files = files
        self.configuration = configuration
        self.logger = logger
        lists = Dictionary(uniqueKeysWithValues: files.map { ($0, Published([])) })
        followed = FollowedFiles(files, of: "upstreams", logger: logger)
        for file in files {
            if let servers = wanted(file, isFirst: true) { take(servers, file) }
        }
    }

    var report: Report { sharedReport.withLock { $0 } }

    /// The servers of a file, as they are now and change.
    func list(_ file: String) -> Published<[UpstreamAddress]>? { lists[file] }

    /// Of all files, each once.
    var servers: [IPAddress] { Array(Set(lists.values.flatMap { $0.current.map(\.address) })).sorted() }

    /// Follows the files. `onChange` gets all servers that may be asked, on a queue of its own, and returns when they may be.
    func start(onChange: @escaping @Sendable ([IPAddress]) -> Void) {
        self.onChange.withLock { $0 = onChange }
        followed.start { [weak self] in self?.readAll() }
    }

    func stop() { followed.stop() }

    private func readAll() {
        let before = servers
        var changed: [(file: String, servers: [UpstreamAddress])] = []
        for file in files {
            if let servers = wanted(file) { changed.append((file, servers)) }
        }
        guard !changed.isEmpty else { return }
        let (parted, change) = parting.withLock { parting in
            parting.servers.formUnion(before)
            parting.change += 1
            return parting
        }
        tell(parted.union(changed.flatMap { $0.servers.map(\.address) }))
        for (file, servers) in changed { take(servers, file) }
        followed.queue.asyncAfter(deadline: .now() + .seconds(Self.partingSeconds)) { [weak self] in
            guard let self else { return }
            let isLast = parting.withLock { parting in
                guard parting.change == change else { return false }
                parting.servers = []
                return true
            }
            if isLast { tell(Set(servers)) }
        }
    }

    private func tell(_ servers: Set<IPAddress>) { onChange.withLock { $0 }?(servers.sorted()) }

    private func take(_ servers: [UpstreamAddress], _ file: String) {
        lists[file]?.publish(servers)
        sharedReport.withLock { $0.changes += 1 }
        logger.info(
            "upstreams read", metadata: ["file": "\(file)", "servers": "\(servers.map(\.description).joined(separator: ", "))"])
    }

    /// What a file says if that differs from what is in force and can be used.
    private func wanted(_ file: String, isFirst: Bool = false) -> [UpstreamAddress]? {
        let text: String
        do throws(DaemonError) {
            text = try TextFile.read(file, bytesMax: Self.bytesMax)
        } catch {
            if isNew(.failure("\(error)"), of: file) { refuse(file, "\(error)") }
            return nil
        }
        // Somebody may still be writing: half an address is an address, too.
        if !isFirst, !text.hasSuffix("\n"), TextFile.isFresh(file) {
            followed.retry()
            return nil
        }
        let parsed = ResolvConf(parsing: text, own: configuration.dns.port == 53 ? configuration.dns.listen : [])
        let isNew = isNew(.text(text), of: file)
        if isNew, !parsed.problems.isEmpty {
            sharedReport.withLock { $0.ignoredEntries += UInt64(parsed.problems.count) }
            for problem in parsed.problems.prefix(Self.problemsMax) {
                logger.warning("upstream passed over", metadata: ["at": "\(file):\(problem.line)", "error": "\(problem.reason)"])
            }
        }
        guard !parsed.servers.isEmpty else {
            if isNew { refuse(file, "\(file) names no server that could be asked") }
            return nil
        }
        let servers = parsed.servers.map { UpstreamAddress($0) }
        return servers == lists[file]?.current ? nil : servers
    }

    private func isNew(_ reading: Reading, of file: String) -> Bool {
        readings.withLock { readings in
            defer { readings[file] = reading }
            return readings[file] != reading
        }
    }

    private func refuse(_ file: String, _ reason: String) {
        sharedReport.withLock { $0.failures += 1 }
        let servers = lists[file]?.current.map(\.description).joined(separator: ", ") ?? ""
        logger.error(
            "upstreams of a file not taken; they stay as they were",
            metadata: ["file": "\(file)", "error": "\(reason)", "servers": "\(servers.isEmpty ? "none" : servers)"])
    }
}
