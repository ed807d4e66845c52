import Glibc

/// The client of one control request.
struct ControlConnection {
    let descriptor: Int32

    /// One line; false if the client has gone or does not read.
    func write(_ line: String) -> Bool { LineIO.write(descriptor, line + "\n") }

    /// POLLRDHUP of poll(2), which glibc shows only under _GNU_SOURCE.
    private static let peerHasHungUp: Int16 = 0x2000

    /// Whether the client still holds its end open.
    var isOpen: Bool {
        var state = pollfd(fd: descriptor, events: Self.peerHasHungUp, revents: 0)
        return unsafe poll(&state, 1, 0) >= 0 && state.revents & (Self.peerHasHungUp | Int16(POLLHUP | POLLERR)) == 0
    }
}
