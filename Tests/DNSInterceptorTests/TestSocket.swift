import Glibc

/// A blocking loopback socket of a test; closes itself.
final class TestSocket: Sendable {
    let descriptor: Int32

    init(adopting descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// A connected UDP or TCP socket that leaves from `source`.
    static func connect(
        to port: UInt16, isTCP: Bool = false, from source: String = "127.0.0.1", to server: String? = nil, receiveBuffer: Int32? = nil
    ) -> TestSocket? {
        let isV6 = source.contains(":")
        let made = TestSocket(adopting: socket(isV6 ? AF_INET6 : AF_INET, Int32(isTCP ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue), 0))
        made.limitWait(milliseconds: 3_000)
        if var receiveBuffer { _ = unsafe setsockopt(made.descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
        guard unsafe bindOrConnect(made.descriptor, source, 0, bind),
            unsafe bindOrConnect(made.descriptor, server ?? (isV6 ? "::1" : "127.0.0.1"), port, Glibc.connect)
        else { return nil }
        return made
    }

    static func bindOrConnect(
        _ descriptor: Int32, _ address: String, _ port: UInt16, _ call: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32
    ) -> Bool {
        if address.contains(":") {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            _ = unsafe inet_pton(AF_INET6, address, &name.sin6_addr)
            return unsafe withUnsafePointer(to: &name) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe call(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
                }
            }
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        _ = unsafe inet_pton(AF_INET, address, &name.sin_addr)
        return unsafe withUnsafePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe call(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    func limitWait(milliseconds: Int) {
        var time = timeval(tv_sec: milliseconds / 1_000, tv_usec: milliseconds % 1_000 * 1_000)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        unsafe bytes.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } == bytes.count
    }

    /// What one read gives: nil after the wait limit, empty at the end of a stream or when it was reset.
    func receive(_ count: Int = 65_535) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = unsafe bytes.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, count, 0) }
        guard got >= 0 else { return errno == ECONNRESET ? [] : nil }
        return Array(bytes[..<got])
    }

    // MARK: TCP frames

    @discardableResult
    func sendFrame(_ message: [UInt8]) -> Bool { send(TestMessage.big16(UInt16(message.count)) + message) }

    /// A whole frame's message; nil at the wait limit, empty at the end of the stream.
    func receiveFrame() -> [UInt8]? {
        guard let head = receiveExactly(2) else { return nil }
        guard head.count == 2 else { return [] }
        return receiveExactly(Int(head[0]) << 8 | Int(head[1]))
    }

    private func receiveExactly(_ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard let more = receive(count - bytes.count) else { return nil }
            if more.isEmpty { return bytes }
            bytes += more
        }
        return bytes
    }

    // MARK: asking

    /// Sends a query over UDP and gives what comes back.
    func ask(_ query: [UInt8]) -> TestReply? {
        send(query)
        return TestReply(receive())
    }
}
