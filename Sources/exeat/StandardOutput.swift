@unsafe @preconcurrency import Glibc

enum StandardOutput {
    /// Hands on what was printed: into a pipe or a file it would wait until there is more.
    static func flush() { _ = fflush(nil) }

    /// Ends the program with 74 (`EX_IOERR`, sysexits.h) if not all that was printed could be written: on a full disk half an answer is no success.
    static func checkAtExit() {
        atexit {
            let isWritten = unsafe fflush(stdout) == 0 && ferror(stdout) == 0
            guard !isWritten else { return }
            StandardError.print("not all of the output could be written")
            _exit(74)
        }
    }
}
