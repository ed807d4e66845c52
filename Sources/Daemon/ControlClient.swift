import CLinux
import Glibc

/// Asks the running daemon.
public enum ControlClient {
    /// Sends one request and hands each line of the answer to `line`; false from it ends the reading.
    public static func ask(_ request: String, runtimeDirectory: String, line: (String) -> Bool) throws {
        let path = ControlSocket.path(runtimeDirectory: runtimeDirectory)
        let descriptor: Int32
        do throws(DaemonError) {
            descriptor = try UnixSocket.connect(path, kind: Int32(SOCK_STREAM.rawValue))
        } catch {
            throw DaemonError(
                "no daemon answers at \(path)", code: error.code,
                hint: "start it with `exeat run --config FILE`, or name its --runtime-directory")
        }
        defer { close(descriptor) }
        guard LineIO.write(descriptor, request + "\n") else { throw DaemonError("the daemon has gone", code: errno) }
        var reader = BufferedLines(descriptor: descriptor)
        while let text = reader.next() {
            if text == "ok" { return }
            if text.hasPrefix("error: ") { throw DaemonError(String(text.dropFirst("error: ".count))) }
            guard line(text) else { return }
        }
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
