import DNSInterceptor
import Foundation
import Glibc
import NetworkTypes
import Synchronization

/// An upstream server on loopback, UDP and TCP on one port, that behaves as badly as a test wants.
final class FakeUpstream: Sendable {
    struct Request {
        let bytes: [UInt8]
        let isTCP: Bool
        let sourcePort: UInt16
        /// Requests before this one.
        let number: Int
        /// TCP: which connection since the start, and requests on it before this one.
        var connection = 0
        var numberOnConnection = 0

        var name: String { TestMessage.questionText(bytes).lowercased() }
    }

    enum Action {
        case reply([UInt8])
        case replyLater([UInt8], milliseconds: Int)
        /// From another port than was asked.
        case replyFromElsewhere([UInt8])
        /// Ends the TCP connection.
        case hangUp
    }

    /// What its TCP port does with connections.
    enum Streams {
        case takes
        case refuses
        /// Nobody answers there.
        case ignores
    }

    let port: UInt16
    private let requestLog = Mutex<[Request]>([])
    private let isStopped = Atomic<Bool>(false)
    private let hasEnded = DispatchSemaphore(value: 0)
    private let takesStreams: Bool

    var requests: [Request] { requestLog.withLock { $0 } }
    var address: UpstreamAddress { UpstreamAddress(IPAddress(v4: 0x7f00_0001), port: port) }

    /// Answers the first question, leaves the next three of that connection, and hangs up at the fourth. Other connections are good.
    static let breaksFirstConnection: @Sendable (Request) -> [Action] = { request in
        guard request.connection == 0, request.numberOnConnection > 0 else {
            return [.reply(TestMessage.reply(to: request.bytes, [.a(1)]))]
        }
        return request.numberOnConnection == 4 ? [.hangUp] : []
    }

    init(streams: Streams = .takes, _ handler: @escaping @Sendable (Request) -> [Action]) throws {
        let sockets = try PortPair(IPAddress(v4: 0x7f00_0001))
        port = sockets.port
        takesStreams = streams == .takes
        if streams != .takes { try Self.block(sockets, streams) }
        let elsewhere = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        Thread.detachNewThread { [self] in serve(sockets.datagrams, sockets.streams, elsewhere, handler) }
    }

    /// A server that answers every A query with one address.
    static func plain(_ last: UInt8 = 1, ttl: UInt32 = 300) throws -> FakeUpstream {
        try FakeUpstream { [.reply(TestMessage.reply(to: $0.bytes, [.a(last, ttl: ttl)]))] }
    }

    func stop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        hasEnded.wait()
    }

    /// A socket that does not listen refuses; one whose queue is full, and is not looked at, is silent.
    private static func block(_ sockets: PortPair, _ streams: Streams) throws {
        guard streams == .ignores else {
            shutdown(sockets.streams, Int32(SHUT_RDWR))
            return
        }
        guard listen(sockets.streams, 0) == 0, let filler = TestSocket.connect(to: sockets.port, isTCP: true) else {
            throw POSIXError(.EADDRINUSE)
        }
        fillers.withLock { $0.append(filler) }
    }

    /// Connections that fill queues, to the end.
    private static let fillers = Mutex<[TestSocket]>([])

    private func serve(_ datagrams: Int32, _ streams: Int32, _ elsewhere: Int32, _ handler: @Sendable (Request) -> [Action]) {
        var connections: [(descriptor: Int32, number: Int, requests: Int, input: [UInt8])] = []
        var accepted = 0
        var later: [(due: Date, connection: Int32, send: () -> Void)] = []
        while !isStopped.load(ordering: .sequentiallyConsistent) {
            // One time for both: what becomes due in between would be dropped unsent.
            let now = Date()
            for item in later where item.due <= now { item.send() }
            later.removeAll { $0.due <= now }
            let open = [datagrams] + (takesStreams ? [streams] : []) + connections.map(\.descriptor)
            var waits = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            _ = unsafe poll(&waits, nfds_t(waits.count), 2)
            while let (bytes, source) = receive(datagrams) {
                let request = note(bytes, isTCP: false, source.port)
                for action in handler(request) {
                    switch action {
                    case .reply(let reply): Self.send(reply, from: datagrams, to: source)
                    case .replyLater(let reply, let milliseconds):
                        later.append((Date() + Double(milliseconds) / 1_000, -1, { Self.send(reply, from: datagrams, to: source) }))
                    case .replyFromElsewhere(let reply): Self.send(reply, from: elsewhere, to: source)
                    case .hangUp: break
                    }
                }
            }
            while takesStreams, case let descriptor = accept(streams, nil, nil), descriptor >= 0 {
                connections.append((descriptor, accepted, 0, []))
                accepted += 1
            }
            var ended: [Int32] = []
            for index in connections.indices {
                let descriptor = connections[index].descriptor
                var buffer = [UInt8](repeating: 0, count: 4_096)
                let count = unsafe recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count == 0 { ended.append(descriptor) }
                if count > 0 { connections[index].input += buffer[..<count] }
                while connections[index].input.count >= 2 {
                    let length = Int(connections[index].input[0]) << 8 | Int(connections[index].input[1])
                    guard connections[index].input.count >= 2 + length else { break }
                    let request = note(
                        Array(connections[index].input[2..<(2 + length)]), isTCP: true, 0,
                        connection: (connections[index].number, connections[index].requests))
                    connections[index].requests += 1
                    connections[index].input.removeFirst(2 + length)
                    for action in handler(request) {
                        switch action {
                        case .reply(let reply), .replyFromElsewhere(let reply): Self.sendFrame(reply, descriptor)
                        case .replyLater(let reply, let milliseconds):
                            later.append((Date() + Double(milliseconds) / 1_000, descriptor, { Self.sendFrame(reply, descriptor) }))
                        case .hangUp: ended.append(descriptor)
                        }
                    }
                }
            }
            for descriptor in Set(ended) {
                close(descriptor)
                later.removeAll { $0.connection == descriptor }
                connections.removeAll { $0.descriptor == descriptor }
            }
        }
        for descriptor in [datagrams, streams, elsewhere] + connections.map(\.descriptor) { close(descriptor) }
        hasEnded.signal()
    }

    private func note(_ bytes: [UInt8], isTCP: Bool, _ port: UInt16, connection: (number: Int, requests: Int) = (0, 0)) -> Request {
        requestLog.withLock {
            let request = Request(
                bytes: bytes, isTCP: isTCP, sourcePort: port, number: $0.count, connection: connection.number,
                numberOnConnection: connection.requests)
            $0.append(request)
            return request
        }
    }

    private struct Source {
        var name: sockaddr_in
        var port: UInt16 { UInt16(bigEndian: name.sin_port) }
    }

    private func receive(_ descriptor: Int32) -> ([UInt8], Source)? {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        var name = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = unsafe withUnsafeMutablePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe recvfrom(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &length)
            }
        }
        return count >= 0 ? (Array(buffer[..<count]), Source(name: name)) : nil
    }

    private static func sendFrame(_ message: [UInt8], _ descriptor: Int32) {
        let frame = TestMessage.big16(UInt16(message.count)) + message
        _ = unsafe Glibc.send(descriptor, frame, frame.count, Int32(MSG_NOSIGNAL))
    }

    private static func send(_ bytes: [UInt8], from descriptor: Int32, to source: Source) {
        var name = source.name
        _ = unsafe withUnsafeMutablePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
