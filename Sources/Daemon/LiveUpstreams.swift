import DNSInterceptor
import Dispatch
import Enforcement
import Logging
import NetworkTypes
import PolicyEngine
import PolicyModel
import Synchronization

/// Files in the form of `/etc/resolv.conf` that name upstreams, and services of Kubernetes whose servers are upstreams: read at the start, and followed.
///
/// A file that cannot be read, is too large or names nobody who can be asked leaves the upstreams as they were; so does a service without servers. That and entries that are
/// passed over are logged and counted. Before the DNS worker asks new servers, the table and policy let it (`onChange`); those that have gone are
/// let a little longer than it takes the worker to notice.
final class LiveUpstreams: Sendable {
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
    /// Of a service. As many may have gone and still be asked (``ForwardingZone/livePlaces``).
    private static let serversMax = 8
    /// The worker looks once a second, and a question takes five at most.
    private static let partingSeconds = 8

    private let files: [String]
    private let services: [String: ServiceReference]
    /// Behind which services, as policy was read last.
    private let slices: Mutex<[ServiceEndpoints]>
    private let lists: [String: Published<[UpstreamAddress]>]
    private let configuration: ExeatConfiguration
    private let logger: Logger
    private let followed: FollowedFiles
    private let sharedReport = Mutex(Report())
    /// The last reading of each file, so that one that is as the one before is not told again.
    private let readings = Mutex<[String: Reading]>([:])
    /// Servers that have gone and are still let, and how many changes there were: the end of the last one's time is the end of all.
    private let parting = Mutex<(servers: Set<TrustedResolver>, change: Int)>(([], 0))
    private let onChange = Mutex<(@Sendable ([TrustedResolver]) -> Void)?>(nil)

    init(_ configuration: ExeatConfiguration, _ slices: [ServiceEndpoints], logger: Logger) {
        let sources = Set(([configuration.dns.upstreamSource] + configuration.dns.zones.map(\.upstreamSource)).compactMap { $0 })
        services = Dictionary(uniqueKeysWithValues: sources.compactMap { text in ServiceReference(parsing: text).map { (text, $0) } })
        files = sources.subtracting(services.keys).sorted()
        self.slices = Mutex(slices)
        self.configuration = configuration
        self.logger = logger
        lists = Dictionary(uniqueKeysWithValues: sources.map { ($0, Published([])) })
        followed = FollowedFiles(files, of: "upstreams", logger: logger)
        for source in sources.sorted() {
            if let servers = wanted(source, isFirst: true) { take(servers, source) }
        }
    }

    var report: Report { sharedReport.withLock { $0 } }

    /// The servers of a file or service, as they are now and change.
    func list(_ source: String) -> Published<[UpstreamAddress]>? { lists[source] }

    /// Of all of them, each once.
    var servers: [TrustedResolver] { Self.resolvers(lists.values.flatMap(\.current)) }

    private static func resolvers(_ servers: [UpstreamAddress]) -> [TrustedResolver] {
        sorted(Set(servers.map { TrustedResolver(address: $0.address, port: $0.port) }))
    }

    private static func sorted(_ servers: Set<TrustedResolver>) -> [TrustedResolver] {
        servers.sorted { ($0.address, $0.port) < ($1.address, $1.port) }
    }

    /// Policy has been read: these are behind the services. They are looked at later.
    func adopt(_ slices: [ServiceEndpoints]) {
        guard !services.isEmpty else { return }
        self.slices.withLock { $0 = slices }
        followed.queue.async { [weak self] in self?.readAll() }
    }

    /// Follows the files. `onChange` gets all servers that may be asked, on a queue of its own, and returns when they may be.
    func start(onChange: @escaping @Sendable ([TrustedResolver]) -> Void) {
        self.onChange.withLock { $0 = onChange }
        followed.start { [weak self] in self?.readAll() }
    }

    func stop() { followed.stop() }

    private func readAll() {
        let before = servers
        var changed: [(source: String, servers: [UpstreamAddress])] = []
        for source in files + services.keys {
            if let servers = wanted(source) { changed.append((source, servers)) }
        }
        guard !changed.isEmpty else { return }
        let (parted, change) = parting.withLock { parting in
            parting.servers.formUnion(before)
            parting.change += 1
            return parting
        }
        tell(parted.union(Self.resolvers(changed.flatMap(\.servers))))
        for (source, servers) in changed { take(servers, source) }
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

    private func tell(_ servers: Set<TrustedResolver>) { onChange.withLock { $0 }?(Self.sorted(servers)) }

    private func take(_ servers: [UpstreamAddress], _ source: String) {
        lists[source]?.publish(servers)
        sharedReport.withLock { $0.changes += 1 }
        logger.info(
            "upstreams read", metadata: ["from": "\(source)", "servers": "\(servers.map(\.description).joined(separator: ", "))"])
    }

    /// Who is behind a service, if they differ from those in force and can be asked.
    private func wanted(_ service: ServiceReference, as source: String) -> [UpstreamAddress]? {
        let known = service.servers(in: slices.withLock { $0 })
        let own = configuration.dns.listen
        let found = known.filter { $0.port != configuration.dns.port || !own.contains($0.address) }.prefix(Self.serversMax)
            .map { UpstreamAddress($0.address, port: $0.port) }
        let isNew = isNew(.text(known.map { "\($0.address) \($0.port)" }.joined(separator: "\n")), of: source)
        guard !found.isEmpty else {
            if isNew {
                refuse(source, known.isEmpty ? "no EndpointSlice of it has an address" : "all of its addresses are our own")
            }
            return nil
        }
        if isNew, known.count > found.count {
            sharedReport.withLock { $0.ignoredEntries += UInt64(known.count - found.count) }
            logger.warning(
                "upstreams passed over",
                metadata: ["from": "\(source)", "error": "our own addresses, and servers beyond \(Self.serversMax)"])
        }
        return found == lists[source]?.current ? nil : found
    }

    /// What a file says if that differs from what is in force and can be used.
    private func wanted(_ file: String, isFirst: Bool = false) -> [UpstreamAddress]? {
        if let service = services[file] { return wanted(service, as: file) }
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
            "upstreams not taken; they stay as they were",
            metadata: ["from": "\(file)", "error": "\(reason)", "servers": "\(servers.isEmpty ? "none" : servers)"])
    }
}
