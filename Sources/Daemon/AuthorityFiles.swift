import DNSInterceptor
import Datastores
import Dispatch
import Logging
import Synchronization

/// The certificate authorities of upstreams that name a file of their own (`tls.caFile`): read at the start, whenever a file changes, is replaced or its
/// link leads elsewhere, and every five seconds, as a link that leads nowhere yet cannot be watched.
///
/// New authorities count for handshakes that begin from then on. A file that cannot be read, or has no certificate, is an error at the start; later it
/// leaves the authorities as they were, which is logged and counted. A file is read when it has been left alone for a second: half of one may be
/// authorities, too.
final class AuthorityFiles: Sendable {
    /// What `/metrics` shows.
    struct Report {
        var changes: UInt64 = 0
        var failures: UInt64 = 0
    }

    private enum Reading: Equatable {
        case text(String)
        case failure(String)
    }

    private static let bytesMax = 8 << 20
    private static let rereadSeconds = 5

    private let trusts: [String: TLSTrust]
    private let logger: Logger
    private let watch: FolderWatch
    private let queue = DispatchQueue(label: "exeat-authorities")
    private let isStopped = Atomic<Bool>(false)
    /// A file that was being written will be read again; once, however often it was found so.
    private let isRetryWaiting = Atomic<Bool>(false)
    private let sharedReport = Mutex(Report())
    /// The last reading of each file, so that one that is as the one before is not told again.
    private let readings: Mutex<[String: Reading]>

    init(_ configuration: ExeatConfiguration, logger: Logger) throws(DaemonError) {
        var trusts: [String: TLSTrust] = [:]
        var readings: [String: Reading] = [:]
        for upstream in configuration.dns.allUpstreams {
            guard let file = upstream.tls?.authorityFile, trusts[file] == nil else { continue }
            do throws(DaemonError) {
                let text = try Self.text(of: file)
                trusts[file] = try Self.trust(in: file)
                readings[file] = .text(text)
            } catch {
                throw DaemonError("\(error)", hint: "tls.caFile of an upstream: certificates in PEM that the daemon's user can read")
            }
        }
        self.trusts = trusts
        self.readings = Mutex(readings)
        self.logger = logger
        watch = FolderWatch(PolicyFolder(paths: trusts.keys.sorted()))
        sharedReport.withLock { $0.changes = UInt64(trusts.count) }
    }

    var report: Report { sharedReport.withLock { $0 } }

    /// Of a file that the configuration names.
    func trust(_ file: String) -> TLSTrust? { trusts[file] }

    /// Tries a file out.
    static func check(_ file: String) throws(DaemonError) {
        _ = try text(of: file)
        _ = try trust(in: file)
    }

    private static func text(of file: String) throws(DaemonError) -> String { try TextFile.read(file, bytesMax: bytesMax) }

    private static func trust(in file: String) throws(DaemonError) -> TLSTrust {
        do throws(TLSTrust.Failure) { return try TLSTrust(file: file) } catch { throw DaemonError("\(error)") }
    }

    /// Follows the files.
    func start() {
        guard !trusts.isEmpty else { return }
        do throws(ResourceWatchError) {
            try watch.start { [weak self] in
                guard let self else { return }
                queue.async { [weak self] in self?.readAll() }
            }
        } catch {
            logger.error("files of authorities are not watched", metadata: ["error": "\(error)"])
        }
        // What changed before the watch was in place.
        queue.async { [weak self] in self?.readAll() }
        reread()
    }

    /// Nothing is read behind this but what is under way.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        watch.stop()
    }

    private func reread() {
        queue.asyncAfter(deadline: .now() + .seconds(Self.rereadSeconds)) { [weak self] in
            guard let self, !isStopped.load(ordering: .relaxed) else { return }
            readAll()
            reread()
        }
    }

    private func retry() {
        guard !isRetryWaiting.exchange(true, ordering: .relaxed) else { return }
        queue.asyncAfter(deadline: .now() + .seconds(1)) { [weak self] in
            guard let self else { return }
            isRetryWaiting.store(false, ordering: .relaxed)
            readAll()
        }
    }

    private func readAll() {
        guard !isStopped.load(ordering: .relaxed) else { return }
        for (file, trust) in trusts { read(file, into: trust) }
    }

    private func read(_ file: String, into trust: TLSTrust) {
        let reading: Reading
        do throws(DaemonError) { reading = .text(try Self.text(of: file)) } catch { reading = .failure("\(error)") }
        guard readings.withLock({ $0[file] }) != reading else { return }
        guard !TextFile.isFresh(file) else {
            retry()
            return
        }
        readings.withLock { $0[file] = reading }
        do throws(DaemonError) {
            if case .failure(let reason) = reading { throw DaemonError(reason) }
            trust.adopt(try Self.trust(in: file))
            sharedReport.withLock { $0.changes += 1 }
            logger.info("authorities of upstreams read", metadata: ["file": "\(file)"])
        } catch {
            sharedReport.withLock { $0.failures += 1 }
            logger.error(
                "authorities of a file not taken; they stay as they were", metadata: ["file": "\(file)", "error": "\(error)"])
        }
    }
}
