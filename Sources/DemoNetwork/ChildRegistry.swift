import Synchronization

/// Every program that was started in a lab, so that none is left unwaited for when the lab ends.
final class ChildRegistry: Sendable {
    private let children = Mutex<[ChildProcess]>([])

    func add(_ child: ChildProcess) {
        children.withLock { list in
            list.removeAll { !$0.isRunning }
            list.append(child)
        }
    }

    /// Ends and collects what still runs.
    func endAll() {
        let rest = children.withLock { list in
            defer { list = [] }
            return list
        }
        for child in rest { child.kill() }
        for child in rest { child.wait(timeoutSeconds: 2) }
    }
}
