import Glibc

/// What a TCP connection has yet to send, the oldest first.
struct StreamOutput {
    /// From `start` on they are unsent.
    var bytes: [UInt8] = []
    private var start = 0

    var unsentBytes: Int { bytes.count - start }

    /// Queues a message behind its length (RFC 1035 §4.2.2).
    mutating func append(_ message: Span<UInt8>) {
        bytes.append(UInt8(truncatingIfNeeded: message.count >> 8))
        bytes.append(UInt8(truncatingIfNeeded: message.count))
        for index in 0..<message.count { bytes.append(message[index]) }
    }

    /// Sends what the kernel takes; false if the connection is broken.
    mutating func flush(to descriptor: Int32) -> Bool {
        while start < bytes.count {
            let sent = unsafe bytes.withUnsafeBytes { bytes in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[start...])
                return unsafe send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                start += sent
            } else if errno == EINTR {
                continue
            } else {
                return errno == EAGAIN || errno == EWOULDBLOCK
            }
        }
        bytes.removeAll(keepingCapacity: bytes.capacity <= 16_384)
        start = 0
        return true
    }
}
