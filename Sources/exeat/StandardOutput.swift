import Glibc

enum StandardOutput {
    /// Hands on what was printed: into a pipe or a file it would wait until there is more.
    static func flush() { _ = fflush(nil) }
}
