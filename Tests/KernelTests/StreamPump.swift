import DemoNetwork
import Foundation
import Synchronization

/// Uses a connection again and again on a thread of its own, until it is stopped or the connection fails.
final class StreamPump: Sendable {
    struct Record: Sendable {
        var exchanges = 0
        var longestSeconds = 0.0
        /// How and when the connection failed; nil: it did not.
        var failure: EchoStream.Exchange?
        var failedAtSecond = 0.0
    }

    private let shared = Mutex(Record())
    private let stopping = Atomic<Bool>(false)
    private let thread: NamespaceThread<Void>

    /// `lab` lends the thread; the connection belongs to its own namespace.
    init(_ stream: EchoStream, every seconds: Double, in lab: DemoNetwork, watch: Stopwatch = Stopwatch()) throws {
        let (record, isStopped) = (RecordBox(), RecordBox.Flag())
        self.record = record
        self.isStopped = isStopped
        thread = try lab.node.startThread {
            while !isStopped.value {
                let exchange = Stopwatch()
                let result = stream.exchange()
                let length = exchange.seconds
                let goesOn = record.note(result, seconds: length, at: watch.seconds)
                guard goesOn else { return }
                Thread.sleep(forTimeInterval: max(0, seconds - length))
            }
        }
    }
}
