import DNSInterceptor
import Enforcement
import Foundation
import NetworkTypes
import Testing

/// A worker on a thread of its own, listening on loopback (UDP and TCP, IPv4; UDP, IPv6).
final class RunningWorker: Sendable {
    let port: UInt16
    let portV6: UInt16
    let log = TestGate.Log()
    let counters: DNSCounters
    let mailbox: DNSMailbox<TestGate>
    private let hasEnded = DispatchSemaphore(value: 0)

    init(
        upstreams: [FakeUpstream], listen: IPAddress = IPAddress(v4: 0x7f00_0001), hasEras: Bool = false,
        link: HoldLink? = nil, talliesReplies: Bool = false, _ change: (inout DNSWorkerConfiguration) -> Void = { _ in }
    ) throws {
        counters = DNSCounters(talliesReplies: talliesReplies)
        var configuration = DNSWorkerConfiguration(upstreams: upstreams.map(\.address))
        // So that tests know who is asked.
        configuration.root.options.policy = .sequential
        configuration.tryTimeoutsMilliseconds = [200, 200, 200, 200]
        configuration.totalTimeoutMilliseconds = 1_000
        change(&configuration)
        let sockets = try PortPair(listen)
        port = sockets.port
        let listenV6 = IPAddress(v6Upper: 0, lower: listen == IPAddress(v4: 0) ? 0 : 1)
        let datagramsV6 = try DNSSockets.bindUDP(listenV6, port: 0)
        portV6 = try DNSSockets.port(of: datagramsV6)
        mailbox = try DNSMailbox<TestGate>()
        let final = configuration
        Thread.detachNewThread { [self] in
            do {
                var worker = try DNSWorker(
                    configuration: final, datagramSockets: [sockets.datagrams, datagramsV6], streamSockets: [sockets.streams],
                    gate: TestGate(log: log, hasEras: hasEras), counters: counters, mailbox: mailbox,
                    link: link)
                worker.run()
                _ = worker.finish()
            } catch {
                fatalError("the worker does not start: \(error)")
            }
            hasEnded.signal()
        }
    }

    func stop() {
        mailbox.stop()
        hasEnded.wait()
    }

    func client(from source: String = "127.0.0.1") throws -> TestSocket {
        try required(TestSocket.connect(to: source.contains(":") ? portV6 : port, from: source))
    }

    func streamClient(from source: String = "127.0.0.1", receiveBuffer: Int32? = nil) throws -> TestSocket {
        try required(TestSocket.connect(to: port, isTCP: true, from: source, receiveBuffer: receiveBuffer))
    }

    /// As ``FakeUpstream/breaksFirstConnection`` wants it: all four are answered all the same.
    func askFourThroughABreak() throws {
        let client = try client()
        #expect(client.ask(TestMessage.query("first.example.org"))?.addresses == [1])
        for number in 0..<4 { client.send(TestMessage.query("n\(number).example.org", id: UInt16(number))) }
        let replies = (0..<4).compactMap { _ in TestReply(client.receive()) }
        #expect(Set(replies.map(\.id)) == [0, 1, 2, 3] && replies.allSatisfy { $0.addresses == [1] })
    }

    private func required(_ socket: TestSocket?) throws -> TestSocket {
        guard let socket else { throw POSIXError(.ECONNREFUSED) }
        return socket
    }
}

/// Waits up to ten seconds for something that another thread brings about.
func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<2_000 {
        if condition() { return true }
        usleep(5_000)
    }
    return condition()
}
