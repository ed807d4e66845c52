import DemoNetwork
import Foundation
import NetworkTypes

/// Tries to reach something again and again, by TCP and UDP, on a thread in a pod, until it is stopped.
final class Prober: Sendable {
    struct Record: Sendable {
        var attempts = 0
        var reached = 0
    }

    private let flag = StopFlag()
    private let thread: NamespaceThread<Record>

    init(in pod: DemoNetwork.Pod, to address: IPAddress, port: UInt16) throws {
        let flag = flag
        thread = try pod.namespace.startThread {
            var record = Record()
            while !flag.isSet {
                let results = [
                    LabClient.connect(to: address, port: port, timeoutMilliseconds: 40),
                    LabClient.udp(to: address, port: port, timeoutMilliseconds: 10),
                ]
                record.attempts += results.count
                record.reached += results.count(where: \.isConnected)
                Thread.sleep(forTimeInterval: 0.005)
            }
            return record
        }
    }

    func stop() throws -> Record {
        flag.set()
        return try thread.join()
    }
}
