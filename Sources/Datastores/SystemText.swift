import Glibc

/// Texts of the C library as Swift strings.
enum SystemText {
    /// See strerror(3); thread-safe since glibc 2.32.
    static func error(_ number: Int32) -> String {
        guard let text = unsafe strerror(number) else { return "error \(number)" }
        return unsafe String(cString: text)
    }
}
