import Synchronization

/// Lines for one `exeat flows --follow`. Bounded: a follower that reads too slowly loses lines, and is told how many.
final class FlowFollower: Sendable {
    private struct State {
        var lines: [String] = []
        var lost = 0
    }

    private static let linesMax = 16_384
    private let state = Mutex(State())

    func offer(_ lines: [String]) {
        state.withLock { state in
            let taken = lines.prefix(Self.linesMax - state.lines.count)
            state.lines += taken
            state.lost += lines.count - taken.count
        }
    }

    /// What has come since the last call, and how many lines came after these for which there was no room.
    func take() -> (lines: [String], lost: Int) {
        state.withLock { state in
            defer { state = State() }
            return (state.lines, state.lost)
        }
    }
}
