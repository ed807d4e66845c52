import Foundation

/// Memory of this process.
enum Resident {
    /// `/proc/self/statm`, proc(5): the second number, in pages.
    static func bytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }
}
