import Glibc

/// A file of lines that is renamed to `PATH.1` and begun anew beyond a bound. Not for two threads at once.
///
/// Others may rename or remove the file (logrotate): it is then made anew within a second. What cannot be written is counted, and the next line that can
/// be begins on a line of its own.
struct LogFile: Sendable {
    /// What keeps lines from the file, or from the file of that name.
    struct Failure: Sendable, Hashable {
        /// `cannot be written`, `cannot be rotated`, `cannot be made anew`.
        let what: String
        /// `errno`.
        let code: Int32
    }

    let path: String
    let bytesMax: Int

    private var descriptor: Descriptor
    private var bytes: Int
    private var endsInsideLine: Bool
    /// The path leads elsewhere, and no file could be made there.
    private var reopenFailure: Failure?
    /// The open file has been removed: what is written to it is gone.
    private var isRemoved = false
    /// Monotonic seconds when the path was last looked at.
    private var lookedAt: Int = 0

    /// Opens the file, or makes it. Throws `errno`.
    init(path: String, bytesMax: Int) throws(LogFileError) {
        self.path = path
        self.bytesMax = bytesMax
        (descriptor, bytes, endsInsideLine) = try Self.open(path)
    }

    private final class Descriptor: Sendable {
        let number: Int32

        init(_ number: Int32) { self.number = number }

        deinit { close(number) }
    }

    /// Appends lines without their ends. The number that is in the file as a whole, which are the first so many, and what is wrong.
    mutating func write(_ lines: [String]) -> (written: Int, failure: Failure?) {
        guard !lines.isEmpty else { return (0, nil) }
        followPath()
        if let reopenFailure, isRemoved { return (0, reopenFailure) }
        var failure = reopenFailure
        if failure == nil, bytes > bytesMax { failure = rotate() }
        // A file that cannot be rotated ends somewhere as well.
        if bytes > 2 * bytesMax { return (0, failure ?? Failure(what: "cannot be rotated", code: EFBIG)) }
        var text: [UInt8] = []
        text.reserveCapacity(lines.reduce(1) { $0 + $1.utf8.count + 1 })
        // What a full disk has left of a line ends here.
        let endsOther = endsInsideLine
        if endsOther { text.append(UInt8(ascii: "\n")) }
        for line in lines {
            text += line.utf8
            text.append(UInt8(ascii: "\n"))
        }
        var written = 0
        while written < text.count {
            let count = unsafe text.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                return unsafe Glibc.write(descriptor.number, rest.baseAddress, rest.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                let code = errno
                let ends = text[..<written].count { $0 == UInt8(ascii: "\n") }
                if written > 0 { endsInsideLine = text[written - 1] != UInt8(ascii: "\n") }
                bytes += written
                return (max(0, ends - (endsOther ? 1 : 0)), Failure(what: "cannot be written", code: code))
            }
            written += count
        }
        endsInsideLine = false
        bytes += written
        return (lines.count, failure)
    }

    /// With its length, and whether a process before has left half a line at its end.
    private static func open(_ path: String) throws(LogFileError) -> (Descriptor, Int, Bool) {
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw LogFileError(code: errno) }
        let bytes = Int(lseek(descriptor, 0, SEEK_END))
        var last = UInt8(ascii: "\n")
        if bytes > 0 { _ = unsafe pread(descriptor, &last, 1, off_t(bytes - 1)) }
        return (Descriptor(descriptor), bytes, last != UInt8(ascii: "\n"))
    }

    /// The old file keeps every line that was written to it.
    private mutating func rotate() -> Failure? {
        guard unsafe rename(path, path + ".1") == 0 else { return Failure(what: "cannot be rotated", code: errno) }
        reopen()
        return reopenFailure
    }

    /// Where that fails the old one goes on, as long as it has a name.
    private mutating func reopen() {
        do throws(LogFileError) {
            (descriptor, bytes, endsInsideLine) = try Self.open(path)
            (reopenFailure, isRemoved) = (nil, false)
        } catch {
            reopenFailure = Failure(what: "cannot be made anew", code: error.code)
        }
    }

    /// Once a second: whether the path still leads to the open file, and how long that is by now, as it may have been cut short.
    private mutating func followPath() {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        guard time.tv_sec != lookedAt else { return }
        lookedAt = time.tv_sec
        var (named, opened) = (stat(), stat())
        guard unsafe fstat(descriptor.number, &opened) == 0 else { return }
        (bytes, isRemoved) = (Int(opened.st_size), opened.st_nlink == 0)
        if unsafe stat(path, &named) != 0 || named.st_ino != opened.st_ino || named.st_dev != opened.st_dev { return reopen() }
        reopenFailure = nil
        if bytes == 0 { endsInsideLine = false }
    }
}

/// A log file that cannot be opened.
struct LogFileError: Error, Hashable {
    /// `errno`.
    let code: Int32
}
