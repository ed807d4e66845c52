import Glibc
import Synchronization

/// Two joined descriptors, close-on-exec, closed at the end of their life.
struct Pipe: ~Copyable {
    let readEnd: Int32
    private(set) var writeEnd: Int32

    /// Held while a program is started and while a pipe has no close-on-exec flag yet: glibc shows pipe2(2) only under
    /// _GNU_SOURCE, and a program started between the two calls would keep the pipe open.
    static let startLock = Mutex(())

    /// pipe(2).
    init() throws(LabError) {
        var ends: [Int32] = [-1, -1]
        let error = Self.startLock.withLock { _ -> Int32 in
            guard unsafe pipe(&ends) == 0 else { return errno }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return 0
        }
        guard error == 0 else { throw .system(call: "pipe", errno: error) }
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    /// A pair whose flag is set from the beginning, whatever else starts programs in this process (socketpair(2)).
    init(sealed: Void) throws(LabError) {
        var ends: [Int32] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw .system(call: "socketpair", errno: errno)
        }
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    /// Gives the write end away: the caller closes it.
    mutating func takeWriteEnd() -> Int32 {
        defer { writeEnd = -1 }
        return writeEnd
    }

    mutating func closeWriteEnd() {
        if writeEnd >= 0 { close(writeEnd) }
        writeEnd = -1
    }

    deinit {
        close(readEnd)
        if writeEnd >= 0 { close(writeEnd) }
    }
}
