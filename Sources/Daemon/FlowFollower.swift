import Synchronization

/// Lines for one `exeat flows --follow`. Bounded: a follower that does not read loses lines, not the daemon memory.
final class FlowFollower: Sendable {
    private struct State {
        var lines: [String] = []
        var isClosed = false
    }

    private static let linesMax = 16_384
    private let state = Mutex(State())

    /// False when the follower has gone.
    func offer(_ lines: [String]) -> Bool {
        state.withLock { state in
            if state.lines.count < Self.linesMax { state.lines += lines }
            return !state.isClosed
        }
    }

    func take() -> [String] {
        state.withLock { state in
            defer { state.lines = [] }
            return state.lines
        }
    }

    func close() { state.withLock { $0.isClosed = true } }
}
