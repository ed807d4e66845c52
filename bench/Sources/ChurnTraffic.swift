import DemoNetwork
import Foundation
import Synchronization

/// Pods that try to reach the web all the time, each from a thread of its own.
final class ChurnTraffic: Sendable {
    struct Attempt: Sendable {
        let pod: Int
        let start: UInt64
        let end: UInt64
        let isConnected: Bool
    }

    private let pods: [DemoNetwork.Pod]
    private let attempts = Mutex<[Attempt]>([])
    private let running = Atomic<Int>(0)
    private let isOver = Atomic<Bool>(false)

    init(_ pods: [DemoNetwork.Pod]) { self.pods = pods }

    func start() {
        for (index, pod) in pods.enumerated() {
            running.add(1, ordering: .relaxed)
            BenchThread.start { [self] in
                try? pod.namespace.withThread { [self] in
                    while !isOver.load(ordering: .relaxed) {
                        let start = SetMonitor.now()
                        let result = LabClient.connect(to: BenchPolicy.webAddress, port: 80)
                        let attempt = Attempt(pod: index, start: start, end: SetMonitor.now(), isConnected: result.isConnected)
                        attempts.withLock { $0.append(attempt) }
                        usleep(10_000)
                    }
                }
                running.subtract(1, ordering: .relaxed)
            }
        }
    }

    func stop() -> [Attempt] {
        isOver.store(true, ordering: .relaxed)
        for _ in 0..<500 where running.load(ordering: .relaxed) > 0 { usleep(10_000) }
        return attempts.withLock { $0 }
    }
}
