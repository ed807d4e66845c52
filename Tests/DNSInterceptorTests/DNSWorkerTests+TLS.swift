import DNSInterceptor
import Foundation
import NetworkTypes
import Synchronization
import Testing

extension DNSWorkerTests {
    /// DNS over TLS to upstreams (RFC 7858).
    @Suite struct UpstreamTLSTests {
        /// What a worker tells of its upstreams.
        private final class Notices: Sendable {
            private let list = Mutex<[UpstreamNotice]>([])
            var all: [UpstreamNotice] { list.withLock { $0 } }
            func add(_ notice: UpstreamNotice) { list.withLock { $0.append(notice) } }
        }

        private static func worker(
            _ upstreams: [UpstreamAddress], _ notices: Notices = Notices(), _ change: (inout DNSWorkerConfiguration) -> Void = { _ in }
        ) throws -> RunningWorker {
            try RunningWorker(upstreams: []) {
                $0.root.upstreams = upstreams
                $0.tryTimeoutsMilliseconds = [1_000, 1_000, 1_000]
                $0.totalTimeoutMilliseconds = 3_000
                $0.failureSeconds = 0
                $0.tell = { notices.add($0) }
                change(&$0)
            }
        }

        @Test func `questions go over one connection to a server whose name is right, which is told by which name it is known`() throws {
            let upstream = try FakeTLSUpstream.plain(4)
            defer { upstream.stop() }
            let notices = Notices()
            let worker = try Self.worker([try upstream.address()], notices)
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<20 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [4]) }
            #expect(upstream.requests.count == 20 && upstream.requests.allSatisfy { $0.connection == 0 })
            #expect(upstream.handshakes.map(\.serverName) == ["dns.example.org"])
            #expect(worker.counters[.tlsHandshakesFull] == 1 && worker.counters[.tlsHandshakesResumed] == 0)
            #expect(worker.counters[.upstreamQueriesTLS] == 20)
            #expect(worker.counters[.upstreamQueriesUDP] == 0 && worker.counters[.upstreamQueriesTCP] == 0)
            #expect(worker.log.lessons.count == 20)
            #expect(notices.all.isEmpty)
        }

        @Test func `an address is a name too if the certificate has it, and is no server name`() throws {
            let upstream = try FakeTLSUpstream.plain(4)
            defer { upstream.stop() }
            let worker = try Self.worker([try upstream.address(name: "127.0.0.1")])
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [4])
            #expect(upstream.handshakes.map(\.serverName) == [nil])
        }

        @Test func `the server sees queries in lengths of 128 bytes, with padding behind everything`() throws {
            let upstream = try FakeTLSUpstream.plain()
            defer { upstream.stop() }
            let worker = try Self.worker([try upstream.address()]) { $0.root.options.sendsCookies = true }
            defer { worker.stop() }
            let client = try worker.client()
            let labels = [1, 30, 63].map { String(repeating: "x", count: $0) }
            let names = labels.flatMap { label in ["\(label).example.org", "\(label).\(label).\(label).example.org"] }
            for name in names { #expect(client.ask(TestMessage.query(name))?.addresses == [1]) }
            #expect(upstream.requests.count == names.count)
            for request in upstream.requests {
                #expect(request.bytes.count % 128 == 0 && request.bytes.count <= 384)
                let options = Array(request.bytes[(TestMessage.questionEnd(request.bytes) + 11)...])
                #expect(Array(options[..<2]) == [0, 12], "padding alone: a cookie is for UDP")
                #expect(Int(options[2]) << 8 | Int(options[3]) == options.count - 4 && options[4...].allSatisfy { $0 == 0 })
            }
            #expect(Set(upstream.requests.map(\.bytes.count)) == [128, 256])
        }

        struct Refusal: Sendable, CustomTestStringConvertible {
            let kind: TestCertificates.Kind
            var name: String? = "dns.example.org"
            /// The certificate whose key is pinned.
            var pinned: TestCertificates.Kind?
            let fault: TLSFault
            let counter: DNSCounter
            var testDescription: String { "\(kind), \(name ?? "no name"), pinned \(pinned?.rawValue ?? "none")" }
        }

        @Test(arguments: [
            Refusal(kind: .otherName, fault: .wrongName, counter: .tlsWrongNames),
            Refusal(kind: .good, name: "example.org", fault: .wrongName, counter: .tlsWrongNames),
            Refusal(kind: .good, name: "127.0.0.2", fault: .wrongName, counter: .tlsWrongNames),
            Refusal(kind: .commonName, fault: .wrongName, counter: .tlsWrongNames),
            Refusal(kind: .selfSigned, fault: .untrustedIssuer, counter: .tlsUntrusted),
            Refusal(kind: .expired, fault: .expired, counter: .tlsExpired),
            Refusal(kind: .good, name: nil, pinned: .selfSigned, fault: .wrongPin, counter: .tlsWrongPins),
            Refusal(kind: .good, pinned: .selfSigned, fault: .wrongPin, counter: .tlsWrongPins),
            Refusal(kind: .selfSigned, pinned: .selfSigned, fault: .untrustedIssuer, counter: .tlsUntrusted),
        ])
        func `a server that is not the one meant gets no question, and the client and the log are told why`(_ row: Refusal) throws {
            let upstream = try FakeTLSUpstream.plain(66, row.kind)
            defer { upstream.stop() }
            let notices = Notices()
            let address = try upstream.address(name: row.name, pins: try row.pinned.map { [try TestCertificates.shared.pin($0)] } ?? [])
            let worker = try Self.worker([address], notices)
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<2 {
                let reply = try #require(client.ask(TestMessage.query("n\(number).example.org")))
                #expect(reply.code == 2 && reply.extendedError == 22)
                #expect(String(decoding: reply.bytes, as: UTF8.self).contains("no upstream answered: \(row.fault.text)"))
            }
            #expect(upstream.requests.isEmpty && worker.log.lessons.isEmpty)
            #expect(worker.counters[row.counter] >= 2 && worker.counters[.tlsHandshakesFull] == 0)
            #expect(worker.counters[.upstreamTLSFailures] >= 2 && worker.counters[.upstreamQueriesUDP] == 0)
            #expect(notices.all.map(\.fault) == [row.fault], "told once, not for each try")
            #expect(notices.all.first?.upstream == address)
        }

        @Test func `a server that fails is passed over for one that is what it should be`() throws {
            let wrong = try FakeTLSUpstream.plain(66, .otherName)
            defer { wrong.stop() }
            let good = try FakeTLSUpstream.plain(8)
            defer { good.stop() }
            let worker = try Self.worker([try wrong.address(), try good.address()]) { $0.probeMilliseconds = 20 }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<5 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [8]) }
            #expect(worker.counters[.upstreamDown] == 1)
            #expect(eventually { worker.counters[.upstreamProbesFailed] >= 2 }, "probes go over TLS too")
            #expect(wrong.requests.isEmpty)
        }

        @Test func `a pin stands for a certificate that nobody vouches for, and one of several is enough`() throws {
            for kind in [TestCertificates.Kind.selfSigned, .expired, .otherName] {
                let upstream = try FakeTLSUpstream.plain(5, kind)
                defer { upstream.stop() }
                let pins = [[UInt8](repeating: 1, count: 32), try TestCertificates.shared.pin(kind)]
                let worker = try Self.worker([try upstream.address(name: nil, pins: pins, trust: try TLSTrust(file: nil))])
                defer { worker.stop() }
                #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [5], "\(kind)")
            }
        }

        @Test func `name and pin together are good if both are`() throws {
            let upstream = try FakeTLSUpstream.plain(5)
            defer { upstream.stop() }
            let worker = try Self.worker([try upstream.address(pins: [try TestCertificates.shared.pin(.good)])])
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [5])
        }

        @Test(arguments: [
            (FakeTLSUpstream.Manner.isSilent, TLSFault.handshakeTimeout), (.dribbles, .handshakeTimeout), (.talksPlainly, .protocolError),
            (.hangsUp, .protocolError),
        ])
        func `what does not finish a handshake costs its own time, gets no question in clear, and others are served meanwhile`(
            _ manner: FakeTLSUpstream.Manner, _ fault: TLSFault
        ) throws {
            let bad = try FakeTLSUpstream.plain(66, .good, manner)
            defer { bad.stop() }
            let quick = try FakeUpstream.plain(9)
            defer { quick.stop() }
            let notices = Notices()
            let worker = try Self.worker([try bad.address()], notices) {
                $0.handshakeMilliseconds = 400
                $0.tryTimeoutsMilliseconds = [2_000]
                $0.zones = [.init(try! .init(parsing: "quick.test"), upstreams: [quick.address])]
            }
            defer { worker.stop() }
            let client = try worker.client()
            client.send(TestMessage.query("secret.example.org"))
            let other = try worker.client()
            for number in 0..<20 { #expect(other.ask(TestMessage.query("n\(number).quick.test"))?.addresses == [9]) }
            let reply = try #require(TestReply(client.receive()))
            #expect(reply.code == 2 && reply.extendedError == 22)
            #expect(String(decoding: reply.bytes, as: UTF8.self).contains(fault.text))
            #expect(worker.counters[fault.counter] == 1 && notices.all.map(\.fault) == [fault])
            #expect(worker.counters[.upstreamConnectionsOpen] == 0)
            #expect(bad.bytesSeen.first == 22, "a handshake record came")
            #expect(bad.bytesSeen.firstRange(of: Array("secret".utf8)) == nil)
        }

        @Test func `a question whose time is over before the handshake is, is told so, and the connection is not kept`() throws {
            let bad = try FakeTLSUpstream.plain(66, .good, .isSilent)
            defer { bad.stop() }
            let worker = try Self.worker([try bad.address()]) { $0.tryTimeoutsMilliseconds = [200] }
            defer { worker.stop() }
            let reply = try #require(try worker.client().ask(TestMessage.query("www.example.org")))
            #expect(String(decoding: reply.bytes, as: UTF8.self).contains(TLSFault.handshakeTimeout.text))
            #expect(worker.counters[.tlsTimeouts] == 1 && worker.counters[.upstreamConnectionsOpen] == 0)
        }

        @Test(arguments: [FakeTLSUpstream.Manner.serves, .servesOld])
        func `a later connection resumes the session of an earlier one`(_ manner: FakeTLSUpstream.Manner) throws {
            let upstream = try FakeTLSUpstream(.good, manner) { [.reply(TestMessage.reply(to: $0.bytes, [.a(1)])), .hangUp] }
            defer { upstream.stop() }
            let worker = try Self.worker([try upstream.address(pins: [try TestCertificates.shared.pin(.good)])])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<5 {
                #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1])
                #expect(eventually { worker.counters[.upstreamConnectionsOpen] == 0 })
            }
            #expect(upstream.handshakes.map(\.isResumed) == [false, true, true, true, true])
            #expect(worker.counters[.tlsHandshakesFull] == 1 && worker.counters[.tlsHandshakesResumed] == 4)
            #expect(worker.counters[.upstreamTLSFailures] == 0)
        }

        @Test func `a connection that ends under questions fails them over to another, at the same server`() throws {
            let upstream = try FakeTLSUpstream(handler: FakeUpstream.breaksFirstConnection)
            defer { upstream.stop() }
            let worker = try Self.worker([try upstream.address()]) { $0.tryTimeoutsMilliseconds = [3_000] }
            defer { worker.stop() }
            try worker.askFourThroughABreak()
            #expect(worker.counters[.upstreamConnectionsReopened] == 4 && worker.counters[.upstreamConnectionsOpened] == 2)
            #expect(worker.counters[.tlsHandshakesResumed] == 1)
        }

        @Test func `a burst is pipelined over a few connections, whose replies come in any order and length`() throws {
            let upstream = try FakeTLSUpstream { request in
                let number = Int(request.name.dropFirst().prefix { $0 != "." }) ?? 0
                // Some replies span several TLS records.
                let records = number % 50 == 0 ? [TestMessage.Record.txt(count: 40_000)] : [.a(UInt8(number & 0xff))]
                return [.replyLater(TestMessage.reply(to: request.bytes, records), milliseconds: number * 7 % 50)]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([try upstream.address()]) { $0.root.options.connectionsPerUpstreamMax = 3 }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<300 { client.send(TestMessage.query("n\(number).example.org", id: UInt16(number))) }
            let replies = (0..<300).compactMap { _ in TestReply(client.receive()) }
            #expect(Set(replies.map(\.id)).count == 300)
            #expect(replies.allSatisfy { $0.id % 50 == 0 ? $0.isTruncated : $0.addresses == [UInt8($0.id & 0xff)] })
            #expect(Set(upstream.requests.map(\.connection)) == [0, 1, 2])
            #expect(worker.counters[.upstreamConnectionsOpened] == 3 && worker.counters[.upstreamTimeouts] == 0)
        }

        @Test func `an idle connection is closed after its time`() throws {
            let upstream = try FakeTLSUpstream.plain(4)
            defer { upstream.stop() }
            let worker = try Self.worker([try upstream.address()]) { $0.root.options.idleSeconds = 1 }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("one.example.org"))?.addresses == [4])
            #expect(worker.counters[.upstreamConnectionsOpen] == 1)
            #expect(eventually { worker.counters[.upstreamConnectionsOpen] == 0 })
            #expect(client.ask(TestMessage.query("two.example.org"))?.addresses == [4])
            #expect(upstream.handshakes.map(\.isResumed) == [false, true])
        }

        @Test func `a server that comes back is used again without a client's help`() throws {
            let first = try FakeTLSUpstream.plain(1)
            let port = first.port
            let address = try first.address()
            first.stop()
            let second = try FakeUpstream.plain(2)
            defer { second.stop() }
            let worker = try Self.worker([address, second.address]) { $0.probeMilliseconds = 20 }
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [2]) }
            #expect(worker.counters[.upstreamDown] == 1)
            let again = try FakeTLSUpstream(.good, .serves, port: port) { [.reply(TestMessage.reply(to: $0.bytes, [.a(3)]))] }
            defer { again.stop() }
            #expect(eventually { worker.counters[.upstreamProbesAnswered] == 1 })
            #expect(client.ask(TestMessage.query("n9.example.org"))?.addresses == [3])
        }

        @Test(arguments: [FakeTLSUpstream.Manner.serves, .servesOld])
        func `a byte that is changed on the way, wherever it stands, never becomes an answer`(_ manner: FakeTLSUpstream.Manner) throws {
            let upstream = try FakeTLSUpstream.plain(4, .good, manner)
            defer { upstream.stop() }
            // Over the whole of a handshake and the records behind it.
            let proxy = try TamperingProxy(to: upstream.port, stride: 29)
            defer { proxy.stop() }
            let identity = try upstream.address().tls
            let worker = try Self.worker([UpstreamAddress(IPAddress(v4: 0x7f00_0001), port: proxy.port, tls: identity)]) {
                $0.handshakeMilliseconds = 300
                $0.tryTimeoutsMilliseconds = [500]
                $0.probeMilliseconds = 60_000
            }
            defer { worker.stop() }
            let client = try worker.client()
            var (answered, number) = (0, 0)
            let end = ContinuousClock.now + .seconds(90)
            while answered < 3, ContinuousClock.now < end {
                number += 1
                let reply = try #require(client.ask(TestMessage.query("n\(number).example.org")))
                #expect(reply.addresses == [4] || (reply.code == 2 && reply.addresses.isEmpty))
                if reply.code == 0 { answered += 1 }
            }
            #expect(answered == 3, "behind the end of what is sent nothing is changed")
            #expect(proxy.changeCount >= 10)
            #expect(worker.log.lessons.allSatisfy { $0.addresses.map(\.lower) == [0xc000_0204] })
            let faults = TLSFault.allCases.reduce(0) { $0 + worker.counters[$1.counter] }
            #expect(faults >= 10)
        }

        @Test func `authorities that take the place of others count from the next handshake on, and what is open stays`() throws {
            let upstream = try FakeTLSUpstream.plain(4)
            defer { upstream.stop() }
            let files = TestCertificates.shared
            let trust = try TLSTrust(file: files.authorityFile)
            let worker = try Self.worker([try upstream.address(trust: trust)]) {
                $0.root.options.idleSeconds = 1
                $0.probeMilliseconds = 50
            }
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("first.example.org"))?.addresses == [4])
            trust.adopt(try TLSTrust(file: files.certificateFile(.selfSigned)))
            #expect(client.ask(TestMessage.query("second.example.org"))?.addresses == [4])
            #expect(upstream.connectionCount == 1)
            #expect(eventually { worker.counters[.upstreamConnectionsOpen] == 0 })
            // The session that could be resumed was checked against the old ones.
            #expect(client.ask(TestMessage.query("third.example.org"))?.code == 2)
            #expect(worker.counters[.tlsUntrusted] > 0 && worker.counters[.tlsHandshakesResumed] == 0)
            #expect(upstream.requests.count == 2, "no question to a server that is not known")
            trust.adopt(try TLSTrust(file: files.authorityFile))
            #expect(eventually { client.ask(TestMessage.query("fourth.example.org"))?.addresses == [4] })
            #expect(worker.counters[.tlsHandshakesFull] >= 2)
        }

        @Test func `authorities that cannot be read are an error at the start`() {
            #expect(throws: TLSTrust.Failure.self) { try TLSTrust(file: "/nonexistent/authorities.pem") }
            #expect(throws: TLSTrust.Failure.self) { try TLSTrust(file: "/etc/passwd") }
            #expect(throws: TLSTrust.Failure.self) { try TLSTrust.system(["/nonexistent/authorities.pem"]) }
        }
    }
}
