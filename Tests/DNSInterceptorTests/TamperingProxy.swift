import DNSInterceptor
import Foundation
import Glibc
import NetworkTypes
import Synchronization

/// Stands between a worker and a server on loopback, and changes one byte of what the server says on each connection, each time a later one.
final class TamperingProxy: Sendable {
    let port: UInt16
    private let stride: Int
    private let changed = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// Bytes that were changed so far.
    var changeCount: Int { changed.load(ordering: .sequentiallyConsistent) }

    private struct Pair {
        let client: Int32
        let server: Int32
        let offset: Int
        var passed = 0
        var isOver = false
    }

    /// The first connection has its byte 0 changed, the next one byte `stride`, and so on.
    init(to server: UInt16, stride: Int) throws {
        let listener = try DNSSockets.bindTCP(IPAddress(v4: 0x7f00_0001), port: 0)
        port = try DNSSockets.port(of: listener)
        self.stride = stride
        Thread.detachNewThread { [self] in serve(listener, server) }
    }

    func stop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        hasEnded.wait()
    }

    private func serve(_ listener: Int32, _ port: UInt16) {
        var pairs: [Pair] = []
        var accepted = 0
        while !isStopped.load(ordering: .sequentiallyConsistent) {
            var waits = ([listener] + pairs.flatMap { [$0.client, $0.server] }).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            _ = unsafe poll(&waits, nfds_t(waits.count), 2)
            while case let client = accept(listener, nil, nil), client >= 0 {
                let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                var name = sockaddr_in()
                name.sin_family = sa_family_t(AF_INET)
                name.sin_port = port.bigEndian
                name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
                _ = unsafe withUnsafePointer(to: &name) { pointer in
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                pairs.append(Pair(client: client, server: server, offset: accepted * stride))
                accepted += 1
            }
            for index in pairs.indices { relay(&pairs[index]) }
            for pair in pairs where pair.isOver {
                close(pair.client)
                close(pair.server)
            }
            pairs.removeAll(where: \.isOver)
        }
        for descriptor in [listener] + pairs.flatMap({ [$0.client, $0.server] }) { close(descriptor) }
        hasEnded.signal()
    }

    private func relay(_ pair: inout Pair) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        var count = unsafe recv(pair.client, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 { _ = unsafe Glibc.send(pair.server, buffer, count, Int32(MSG_NOSIGNAL)) }
        if count == 0 { pair.isOver = true }
        count = unsafe recv(pair.server, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count == 0 { pair.isOver = true }
        guard count > 0 else { return }
        if pair.offset >= pair.passed, pair.offset < pair.passed + count {
            buffer[pair.offset - pair.passed] ^= 0x10
            changed.add(1, ordering: .sequentiallyConsistent)
        }
        pair.passed += count
        _ = unsafe Glibc.send(pair.client, buffer, count, Int32(MSG_NOSIGNAL))
    }
}
