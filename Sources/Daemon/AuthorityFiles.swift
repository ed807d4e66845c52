import DNSInterceptor
import Logging
import Synchronization

/// The certificate authorities of upstreams that name a file of their own (`tls.caFile`): read at the start, and followed.
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

    private let trusts: [String: TLSTrust]
    private let logger: Logger
    private let followed: FollowedFiles
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
        followed = FollowedFiles(Array(trusts.keys), of: "authorities", logger: logger)
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
    func start() { followed.start { [weak self] in self?.readAll() } }

    func stop() { followed.stop() }

    private func readAll() {
        for (file, trust) in trusts { read(file, into: trust) }
    }

    private func read(_ file: String, into trust: TLSTrust) {
        let reading: Reading
        do throws(DaemonError) { reading = .text(try Self.text(of: file)) } catch { reading = .failure("\(error)") }
        guard readings.withLock({ $0[file] }) != reading else { return }
        guard !TextFile.isFresh(file) else { return followed.retry() }
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
