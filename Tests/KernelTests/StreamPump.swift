import DemoNetwork
import Foundation

/// Uses a connection again and again on a thread of its own, until it is stopped or the connection fails.
final class StreamPump: Sendable {
    struct Record: Sendable {
        var exchanges = 0
        var longestSeconds = 0.0
        /// Datagrams that had to be sent again.
        var resent = 0
        /// How the connection failed; nil: it did not.
        var failure: EchoStream.Exchange?
        /// By the stopwatch that was given.
        var failedAtSecond = 0.0
    }

    private let flag = StopFlag()
    private let failure = StopFlag()
    private let thread: NamespaceThread<Record>

    /// The lab lends the thread; the connection belongs to its own namespace.
    init(
        _ stream: EchoStream, every seconds: Double, in lab: DemoNetwork, watch: Stopwatch = Stopwatch(),
        timeoutMilliseconds: Int32 = 3_000
    ) throws {
        let (flag, failure) = (flag, failure)
        thread = try lab.node.startThread {
            var record = Record()
            while !flag.isSet {
                let exchange = Stopwatch()
                let result = stream.exchange(timeoutMilliseconds: timeoutMilliseconds)
                record.longestSeconds = max(record.longestSeconds, exchange.seconds)
                record.resent = stream.resent
                guard result == .echoed else {
                    record.failure = result
                    record.failedAtSecond = watch.seconds
                    failure.set()
                    return record
                }
                record.exchanges += 1
                exchange.sleep(untilSecond: seconds)
            }
            return record
        }
    }

    var hasFailed: Bool { failure.isSet }

    func stop() throws -> Record {
        flag.set()
        return try thread.join()
    }
}
