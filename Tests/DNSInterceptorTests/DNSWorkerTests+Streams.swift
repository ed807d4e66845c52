import DNSInterceptor
import Glibc
import Testing

extension DNSWorkerTests {
    @Suite struct Streams {
        @Test func `pipelined queries are answered out of order, on one connection`() throws {
            let upstream = try FakeUpstream { request in
                let reply = TestMessage.reply(to: request.bytes, [.a(1)])
                return [request.name.hasPrefix("slow") ? .replyLater(reply, milliseconds: 150) : .reply(reply)]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let stream = try worker.streamClient()
            var bytes: [UInt8] = []
            for (id, name) in [(1, "slow.example.org"), (2, "fast.example.org"), (3, "quick.example.org")] as [(UInt16, String)] {
                let query = TestMessage.query(name, id: id)
                bytes += TestMessage.big16(UInt16(query.count)) + query
            }
            stream.send(bytes)
            let ids = (0..<3).compactMap { _ in TestReply(stream.receiveFrame())?.id }
            #expect(ids.count == 3 && ids.last == 1 && Set(ids) == [1, 2, 3])
            stream.sendFrame(TestMessage.query("fast.example.org", id: 4))
            #expect(TestReply(stream.receiveFrame())?.id == 4, "the connection serves on")
            #expect(worker.counters[.tcpAccepted] == 1 && worker.counters[.queriesTCP] == 4)
        }

        @Test func `a query that comes in single bytes is understood`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let stream = try worker.streamClient()
            let query = TestMessage.query("www.example.org")
            for byte in TestMessage.big16(UInt16(query.count)) + query {
                stream.send([byte])
                usleep(500)
            }
            #expect(TestReply(stream.receiveFrame())?.addresses == [1])
        }

        @Test func `a client that has closed its half still gets what it asked for`() throws {
            let upstream = try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(1)]), milliseconds: 50)] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream])
            defer { worker.stop() }
            let stream = try worker.streamClient()
            stream.sendFrame(TestMessage.query("www.example.org"))
            shutdown(stream.descriptor, Int32(SHUT_WR))
            #expect(TestReply(stream.receiveFrame())?.addresses == [1])
            #expect(stream.receive() == [])
            #expect(eventually { worker.counters[.tcpOpen] == 0 })
        }

        @Test func `an idle connection is closed, also one that drips bytes`() throws {
            let worker = try RunningWorker(upstreams: []) { $0.tcpIdleMilliseconds = 300 }
            defer { worker.stop() }
            let idle = try worker.streamClient()
            let dripping = try worker.streamClient()
            for byte: UInt8 in [0, 40, 1, 2, 3] {
                dripping.send([byte])
                usleep(80_000)
            }
            #expect(idle.receive() == [] && dripping.receive() == [])
            #expect(worker.counters[.tcpIdleClosed] == 2)
        }

        @Test func `a connection is not idle while we are the slow ones`() throws {
            let upstream = try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(1)]), milliseconds: 350)] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.tcpIdleMilliseconds = 100
                $0.tryTimeoutsMilliseconds = [1_000]
            }
            defer { worker.stop() }
            let stream = try worker.streamClient()
            stream.sendFrame(TestMessage.query("www.example.org"))
            #expect(TestReply(stream.receiveFrame())?.addresses == [1])
        }

        @Test func `connections are limited, in all and per client`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.tcpConnectionsMax = 4
                $0.tcpConnectionsPerClientMax = 3
            }
            defer { worker.stop() }
            let held = try (0..<3).map { _ in try worker.streamClient() }
            #expect(eventually { worker.counters[.tcpOpen] == 3 })
            #expect(try worker.streamClient().receive() == [])
            let other = try worker.streamClient(from: "127.0.0.2")
            #expect(eventually { worker.counters[.tcpOpen] == 4 })
            #expect(try worker.streamClient(from: "127.0.0.2").receive() == [])
            #expect(worker.counters[.tcpRefusedPerClient] == 1 && worker.counters[.tcpRefusedTotal] == 1)
            for stream in held + [other] {
                stream.sendFrame(TestMessage.query("www.example.org"))
                #expect(TestReply(stream.receiveFrame())?.addresses == [1])
            }
        }

        @Test func `all who are nobody's clients share one client's connections`() throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.tcpConnectionsMax = 6
                $0.tcpConnectionsPerClientMax = 2
            }
            defer { worker.stop() }
            let held = try (3..<9).map { try worker.streamClient(from: "127.0.0.\($0)") }
            #expect(eventually { worker.counters[.tcpAccepted] == 6 })
            #expect(worker.counters[.tcpOpen] == 2 && worker.counters[.tcpRefusedPerClient] == 4)
            let stream = try worker.streamClient()
            stream.sendFrame(TestMessage.query("www.example.org"))
            #expect(TestReply(stream.receiveFrame())?.addresses == [1])
            #expect(held.count == 6)
        }

        @Test func `beyond the pipeline limit the worker stops reading and loses nothing`() throws {
            let upstream = try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(1)]), milliseconds: 60)] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.tcpPipelineMax = 4 }
            defer { worker.stop() }
            let stream = try worker.streamClient()
            for number in 0..<20 { stream.sendFrame(TestMessage.query("n\(number).example.org", id: UInt16(number))) }
            let ids = (0..<20).compactMap { _ in TestReply(stream.receiveFrame())?.id }
            #expect(ids.sorted() == Array(0..<20))
        }

        @Test func `a client that does not read is hung up on and costs a bounded amount`() throws {
            let upstream = try FakeUpstream { request in
                request.isTCP
                    ? [.reply(TestMessage.reply(to: request.bytes, [.txt(count: 60_000)]))]
                    : [.reply(TestMessage.reply(to: request.bytes, [], isTruncated: true))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                $0.tcpIdleMilliseconds = 400
                $0.tcpUnsentBytesMax = 200_000
            }
            defer { worker.stop() }
            let stream = try worker.streamClient(receiveBuffer: 4_096)
            for id: UInt16 in 0..<200 { stream.sendFrame(TestMessage.query("big.example.org", type: TestMessage.txt, id: id)) }
            #expect(eventually { worker.counters[.tcpSlowReaders] == 1 })
            #expect(worker.counters[.answersTCP] < 150, "it stopped reading queries long before")
            let other = try worker.streamClient()
            other.sendFrame(TestMessage.query("big.example.org", type: TestMessage.txt))
            #expect(try #require(other.receiveFrame()).count > 60_000)
        }

        @Test func `a frame that cannot be a query ends the connection`() throws {
            let worker = try RunningWorker(upstreams: [])
            defer { worker.stop() }
            for frame: [UInt8] in [[0, 3, 1, 2, 3], [0xff, 0xff, 0]] {
                let stream = try worker.streamClient()
                stream.send(frame)
                #expect(stream.receive() == [])
            }
            #expect(worker.counters[.tcpBadFrames] == 2)
        }
    }
}
