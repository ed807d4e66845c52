import Glibc

/// Prints the input at hand when the process traps, so that every crash can become a file of the corpus.
enum CrashReport {
    private static let capacity = 1 << 16
    // One thread fuzzes; the handler runs on it. Both are written before the parser runs and only read in the handler.
    nonisolated(unsafe) private static let input = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    nonisolated(unsafe) private static var count = 0

    /// Traps of Swift are SIGILL or SIGTRAP; the others are for C.
    static func install() {
        remember([])
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE] {
            signal(number) { number in
                CrashReport.printInput()
                // The default action follows: the exit status tells.
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    static func remember(_ bytes: [UInt8]) {
        unsafe count = min(bytes.count, capacity)
        for index in unsafe 0..<count { unsafe input[index] = bytes[index] }
    }

    /// Writes the input as hexadecimal digits, 32 bytes a line, with nothing but write(2).
    static func printInput() {
        let digits: StaticString = "0123456789abcdef"
        var pair: (UInt8, UInt8, UInt8) = (0, 0, 0)
        let last = unsafe count - 1
        for index in stride(from: 0, through: last, by: 1) {
            let byte = unsafe input[index]
            unsafe pair.0 = digits.utf8Start[Int(byte >> 4)]
            unsafe pair.1 = digits.utf8Start[Int(byte & 15)]
            pair.2 = UInt8(ascii: "\n")
            unsafe withUnsafeBytes(of: &pair) { bytes in
                _ = unsafe write(2, bytes.baseAddress, index % 32 == 31 || index == last ? 3 : 2)
            }
        }
    }

    static func printToStandardError(_ text: String) {
        var line = text + "\n"
        line.withUTF8 { bytes in _ = unsafe write(2, bytes.baseAddress, bytes.count) }
    }
}
