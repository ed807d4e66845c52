import CLinux
import Glibc

/// Asks the running daemon.
public enum ControlClient {
    /// Begins a line that says how many others were lost.
    static let lossPrefix = "lost: "

    /// Sends one request and hands each line of the answer to `line`; false from it ends the reading. `loss` gets the number of lines that were
    /// lost at one place, as they came faster than they were read.
    public static func ask(
        _ request: String, runtimeDirectory: String, line: (String) -> Bool, loss: (String) -> Void = { _ in }
    ) throws {
        let path = ControlSocket.path(runtimeDirectory: runtimeDirectory)
        let descriptor: Int32
        do throws(DaemonError) {
            descriptor = try UnixSocket.connect(path, kind: Int32(SOCK_STREAM.rawValue))
        } catch {
            let isForbidden = error.code == EACCES || error.code == EPERM
            throw DaemonError(
                isForbidden ? "\(path) may not be asked" : "no daemon answers at \(path)", code: error.code,
                hint: isForbidden
                    ? "ask as root or as a member of its group"
                    : "start it with `exeat run --config FILE`, or name its --runtime-directory")
        }
        defer { close(descriptor) }
        // One that has no place for us says so and closes before it has read anything.
        let isSent = LineIO.write(descriptor, request + "\n")
        let code = errno
        var reader = BufferedLines(descriptor: descriptor)
        while let text = reader.next() {
            if text == "ok" { return }
            if text.hasPrefix("error: ") { throw DaemonError(String(text.dropFirst("error: ".count))) }
            if text.hasPrefix(lossPrefix) {
                loss(String(text.dropFirst(lossPrefix.count)))
                continue
            }
            guard line(text) else { return }
        }
        guard isSent else { throw DaemonError("the daemon has gone", code: code) }
        throw DaemonError("the daemon broke the answer off")
    }

    private struct BufferedLines {
        let descriptor: Int32
        var buffer: [UInt8] = []

        mutating func next() -> String? {
            while true {
                if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                    defer { buffer.removeSubrange(...end) }
                    return String(decoding: buffer[..<end], as: UTF8.self)
                }
                var chunk = [UInt8](repeating: 0, count: 16_384)
                let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return nil }
                buffer += chunk[..<count]
            }
        }
    }
}
