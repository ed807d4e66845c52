import Glibc
import NetworkTypes

/// Lines over a descriptor.
enum LineIO {
    /// Up to the line end, which is left out; nil at the end of the stream, on error, beyond `bytesMax` or after the deadline.
    static func readLine(_ descriptor: Int32, bytesMax: Int, until deadline: Instant) -> String? {
        var bytes: [UInt8] = []
        while bytes.count < bytesMax, BootClock.now() < deadline {
            var byte: UInt8 = 0
            let count = unsafe read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }

    /// False if the other end has gone or does not read.
    static func write(_ descriptor: Int32, _ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress! + written, $0.count - written, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            written += count
        }
        return true
    }
}
