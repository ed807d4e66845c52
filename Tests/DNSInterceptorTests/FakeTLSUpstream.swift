import CTLS
import DNSInterceptor
import Foundation
import Glibc
import NetworkTypes
import Synchronization

/// An upstream on loopback that speaks DNS over TLS, or does not.
final class FakeTLSUpstream: Sendable {
    enum Manner: Sendable, Equatable {
        case serves
        /// The last version that it speaks is TLS 1.2.
        case servesOld
        /// Takes connections and says nothing.
        case isSilent
        /// Sends the beginning of a record, a byte at a time, and never the end.
        case dribbles
        /// Sends what is no TLS.
        case talksPlainly
        /// Hangs up on the first byte.
        case hangsUp
    }

    struct Handshake: Sendable {
        let isResumed: Bool
        let serverName: String?
    }

    let port: UInt16
    let manner: Manner
    private let requestLog = Mutex<[FakeUpstream.Request]>([])
    private let handshakeLog = Mutex<[Handshake]>([])
    private let accepted = Atomic<Int>(0)
    private let clearBytes = Mutex<[UInt8]>([])
    private let isStopped = Atomic<Bool>(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    var requests: [FakeUpstream.Request] { requestLog.withLock { $0 } }
    var handshakes: [Handshake] { handshakeLog.withLock { $0 } }
    var connectionCount: Int { accepted.load(ordering: .sequentiallyConsistent) }
    /// What came over connections on which there was no TLS to take it apart.
    var bytesSeen: [UInt8] { clearBytes.withLock { $0 } }

    private struct Failure: Error {}

    @safe
    private final class Connection {
        let descriptor: Int32
        let number: Int
        let ssl: OpaquePointer?
        var isOpen = false
        var isOver = false
        var requests = 0
        var input: [UInt8] = []
        var dribbledAt = Date()

        init(_ descriptor: Int32, _ number: Int, _ ssl: OpaquePointer?) {
            self.descriptor = descriptor
            self.number = number
            unsafe self.ssl = ssl
        }

        deinit {
            unsafe SSL_free(ssl)
            close(descriptor)
        }

        func send(_ message: [UInt8]) {
            let frame = TestMessage.big16(UInt16(message.count)) + message
            var written = 0
            while unsafe SSL_write_ex(ssl, frame, frame.count, &written) != 1 {
                guard unsafe SSL_get_error(ssl, 0) == SSL_ERROR_WANT_WRITE else { return }
                usleep(1_000)
            }
        }
    }

    init(
        _ kind: TestCertificates.Kind = .good, _ manner: Manner = .serves, port wanted: UInt16 = 0,
        handler: @escaping @Sendable (FakeUpstream.Request) -> [FakeUpstream.Action]
    ) throws {
        // OpenSSL writes to the socket itself here.
        signal(SIGPIPE, SIG_IGN)
        let files = TestCertificates.shared
        guard let context = unsafe SSL_CTX_new(TLS_server_method()),
            unsafe SSL_CTX_use_certificate_chain_file(context, files.certificateFile(kind)) == 1,
            unsafe SSL_CTX_use_PrivateKey_file(context, files.keyFile(kind), SSL_FILETYPE_PEM) == 1
        else { throw Failure() }
        if manner == .servesOld { unsafe SSL_CTX_set_options(context, 1 << 29) }
        let listener = try DNSSockets.bindTCP(IPAddress(v4: 0x7f00_0001), port: wanted)
        port = try DNSSockets.port(of: listener)
        self.manner = manner
        let bits = UInt(bitPattern: context)
        Thread.detachNewThread { [self] in
            guard let context = unsafe OpaquePointer(bitPattern: bits) else { return }
            unsafe serve(listener, context, handler)
            unsafe SSL_CTX_free(context)
            hasEnded.signal()
        }
    }

    static func plain(_ last: UInt8 = 1, _ kind: TestCertificates.Kind = .good, _ manner: Manner = .serves) throws -> FakeTLSUpstream {
        try FakeTLSUpstream(kind, manner) { [.reply(TestMessage.reply(to: $0.bytes, [.a(last)]))] }
    }

    func stop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        hasEnded.wait()
    }

    /// As a worker takes it.
    func address(name: String? = "dns.example.org", pins: [[UInt8]] = [], trust: TLSTrust? = nil) throws -> UpstreamAddress {
        let trust = try trust ?? TLSTrust(file: TestCertificates.shared.authorityFile)
        return UpstreamAddress(IPAddress(v4: 0x7f00_0001), port: port, tls: UpstreamTLS(name: name, pins: pins, trust: trust))
    }

    private func serve(
        _ listener: Int32, _ context: OpaquePointer, _ handler: @Sendable (FakeUpstream.Request) -> [FakeUpstream.Action]
    ) {
        var connections: [Connection] = []
        var later: [(due: Date, connection: Connection, message: [UInt8])] = []
        while !isStopped.load(ordering: .sequentiallyConsistent) {
            let now = Date()
            for item in later where item.due <= now { item.connection.send(item.message) }
            later.removeAll { $0.due <= now || $0.connection.isOver }
            var waits = ([listener] + connections.map(\.descriptor)).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            _ = unsafe poll(&waits, nfds_t(waits.count), 2)
            while case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
                let ssl = unsafe SSL_new(context)
                unsafe SSL_set_fd(ssl, descriptor)
                unsafe SSL_set_accept_state(ssl)
                let number = accepted.add(1, ordering: .sequentiallyConsistent).oldValue
                connections.append(unsafe Connection(descriptor, number, ssl))
            }
            for connection in connections {
                guard manner == .serves || manner == .servesOld else {
                    misbehave(on: connection, now)
                    continue
                }
                for request in read(connection) {
                    for action in handler(request) {
                        switch action {
                        case .reply(let reply), .replyFromElsewhere(let reply): connection.send(reply)
                        case .replyLater(let reply, let milliseconds):
                            later.append((Date() + Double(milliseconds) / 1_000, connection, reply))
                        case .hangUp: connection.isOver = true
                        }
                    }
                }
            }
            connections.removeAll(where: \.isOver)
        }
        close(listener)
    }

    private func misbehave(on connection: Connection, _ now: Date) {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = unsafe recv(connection.descriptor, &buffer, buffer.count, 0)
        if count > 0 { clearBytes.withLock { $0 += buffer[..<count] } }
        switch manner {
        case .dribbles where now >= connection.dribbledAt:
            // A handshake record of 16 KiB, which never becomes whole.
            let record: [UInt8] = [22, 3, 3, 0x40, 0]
            var byte: UInt8 = connection.requests < record.count ? record[connection.requests] : 0
            connection.requests += 1
            connection.dribbledAt = now + 0.02
            _ = unsafe Glibc.send(connection.descriptor, &byte, 1, Int32(MSG_NOSIGNAL))
        case .talksPlainly where count > 0:
            let text = Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)
            _ = unsafe Glibc.send(connection.descriptor, text, text.count, Int32(MSG_NOSIGNAL))
        case .hangsUp where count > 0: connection.isOver = true
        default: break
        }
        if count == 0 { connection.isOver = true }
    }

    /// The questions that have come whole.
    private func read(_ connection: Connection) -> [FakeUpstream.Request] {
        ERR_clear_error()
        if !connection.isOpen {
            let status = unsafe SSL_do_handshake(connection.ssl)
            guard status == 1 else {
                if unsafe SSL_get_error(connection.ssl, status) != SSL_ERROR_WANT_READ { connection.isOver = true }
                return []
            }
            connection.isOpen = true
            let name = unsafe SSL_get_servername(connection.ssl, TLSEXT_NAMETYPE_host_name).map { unsafe String(cString: $0) }
            let isResumed = unsafe SSL_session_reused(connection.ssl) == 1
            handshakeLog.withLock { $0.append(Handshake(isResumed: isResumed, serverName: name)) }
        }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            var count = 0
            guard unsafe SSL_read_ex(connection.ssl, &buffer, buffer.count, &count) == 1 else {
                if unsafe SSL_get_error(connection.ssl, 0) != SSL_ERROR_WANT_READ { connection.isOver = true }
                break
            }
            connection.input += buffer[..<count]
        }
        var requests: [FakeUpstream.Request] = []
        while connection.input.count >= 2 {
            let end = 2 + Int(connection.input[0]) << 8 + Int(connection.input[1])
            guard connection.input.count >= end else { break }
            let request = requestLog.withLock { log in
                let request = FakeUpstream.Request(
                    bytes: Array(connection.input[2..<end]), isTCP: true, sourcePort: 0, number: log.count, connection: connection.number,
                    numberOnConnection: connection.requests)
                log.append(request)
                return request
            }
            connection.requests += 1
            connection.input.removeFirst(end)
            requests.append(request)
        }
        return requests
    }
}
