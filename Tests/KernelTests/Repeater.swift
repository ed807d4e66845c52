import DemoNetwork
import Foundation

/// Does something again and again on a thread in a namespace, until it is stopped, and keeps a record of it.
final class Repeater<Record: Sendable>: Sendable {
    private let flag = StopFlag()
    private let thread: NamespaceThread<Record>

    /// With a pause in seconds after each turn.
    init(
        in namespace: DemoNetwork.Namespace, _ record: Record, pause: Double, _ body: @escaping @Sendable (inout Record) throws -> Void
    ) throws {
        let flag = flag
        thread = try namespace.startThread {
            var record = record
            while !flag.isSet {
                try body(&record)
                Thread.sleep(forTimeInterval: pause)
            }
            return record
        }
    }

    func stop() throws -> Record {
        flag.set()
        return try thread.join()
    }
}
