import Glibc

/// A file of lines that is renamed to `PATH.1` and begun anew beyond a bound. Not for two threads at once.
///
/// Others may rename or remove the file (logrotate): it is then made anew within a second. What cannot be written is counted, and the next line that can
/// be begins on a line of its own.
struct LogFile: Sendable {
    /// What kept lines from the file.
    struct Failure: Sendable, Hashable {
        /// `cannot be written`, `cannot be rotated`.
        let what: String
        /// `errno`.
        let code: Int32
    }

    let path: String
    let bytesMax: Int
    /// Lines that are in the file as a whole, and those that are not.
    private(set) var linesWritten: UInt64 = 0
    private(set) var linesLost: UInt64 = 0
    /// Of the last `write` that lost lines.
    private(set) var lastFailure: Failure?

    private var descriptor: Descriptor
    private var bytes: Int
    private var endsInsideLine: Bool
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

    /// Appends lines without their ends. The number that is in the file as a whole: the first so many.
    mutating func write(_ lines: [String]) -> Int {
        guard !lines.isEmpty else { return 0 }
        followPath()
        if bytes > bytesMax { rotate() }
        // A file that cannot be rotated ends somewhere as well.
        guard bytes <= 2 * bytesMax else {
            return end(lines.count, written: 0, Failure(what: "cannot be rotated", code: EFBIG))
        }
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
                return end(
                    lines.count, written: max(0, ends - (endsOther ? 1 : 0)), Failure(what: "cannot be written", code: code))
            }
            written += count
        }
        endsInsideLine = false
        bytes += written
        return end(lines.count, written: lines.count, nil)
    }

    private mutating func end(_ count: Int, written: Int, _ failure: Failure?) -> Int {
        linesWritten += UInt64(written)
        linesLost += UInt64(count - written)
        if let failure { lastFailure = failure }
        return written
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
    private mutating func rotate() {
        guard unsafe rename(path, path + ".1") == 0 else { return }
        reopen()
    }

    private mutating func reopen() {
        do throws(LogFileError) {
            (descriptor, bytes, endsInsideLine) = try Self.open(path)
        } catch {
            // The old one is better than none.
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
        if unsafe stat(path, &named) != 0 || named.st_ino != opened.st_ino || named.st_dev != opened.st_dev { return reopen() }
        bytes = Int(opened.st_size)
        if bytes == 0 { endsInsideLine = false }
    }
}

/// A log file that cannot be opened.
struct LogFileError: Error, Hashable {
    /// `errno`.
    let code: Int32
}
