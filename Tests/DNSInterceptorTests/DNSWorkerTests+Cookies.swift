import DNSInterceptor
import Testing

extension DNSWorkerTests {
    /// DNS cookies towards upstreams (RFC 7873).
    @Suite struct Cookies {
        private static let server: [UInt8] = [9, 8, 7, 6, 5, 4, 3, 2]

        /// What the COOKIE option of a query holds; nil if it has none.
        private static func cookie(_ query: [UInt8]) -> [UInt8]? {
            let opt = TestMessage.questionEnd(query)
            guard query.count >= opt + 15, query[opt + 12] == 10 else { return nil }
            return Array(query[(opt + 15)...])
        }

        /// The reply with a COOKIE option, which stands where its OPT record has no options yet.
        private static func reply(
            to query: [UInt8], _ last: UInt8 = 1, cookie: [UInt8], isBadCookie: Bool = false
        ) -> [UInt8] {
            var reply = TestMessage.reply(to: query, isBadCookie ? [] : [.a(last)], code: isBadCookie ? 7 : 0)
            if isBadCookie { reply[reply.count - 6] = 1 }
            reply.removeLast(2)
            return reply + TestMessage.big16(UInt16(4 + cookie.count)) + [0, 10] + TestMessage.big16(UInt16(cookie.count)) + cookie
        }

        private static func worker(_ upstreams: [FakeUpstream]) throws -> RunningWorker {
            try RunningWorker(upstreams: upstreams) { $0.root.options.sendsCookies = true }
        }

        @Test func `queries bear a cookie, and from then on the server's part of it`() throws {
            let upstream = try FakeUpstream { request in
                let client = (Self.cookie(request.bytes) ?? []).prefix(8)
                return [.reply(Self.reply(to: request.bytes, cookie: client + Self.server))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
            let cookies = upstream.requests.map { Self.cookie($0.bytes) ?? [] }
            #expect(cookies.map(\.count) == [8, 16, 16])
            #expect(cookies[1] == cookies[0] + Self.server && cookies[2] == cookies[1])
            #expect(worker.counters[.wrongCookie] == 0)
        }

        @Test func `each upstream has a cookie of its own, and without leave none is sent`() throws {
            let upstreams = try (0..<2).map { _ in try FakeUpstream.plain() }
            defer { for upstream in upstreams { upstream.stop() } }
            for sends in [true, false] {
                let worker = try RunningWorker(upstreams: upstreams) {
                    $0.root.options.sendsCookies = sends
                    $0.root.options.policy = .roundRobin
                }
                defer { worker.stop() }
                let client = try worker.client()
                for number in 0..<2 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
            }
            let cookies = upstreams.map { $0.requests.map { Self.cookie($0.bytes) } }
            #expect(cookies.allSatisfy { $0.count == 2 && $0[0]?.count == 8 && $0[1] == nil })
            #expect(cookies[0][0] != cookies[1][0])
        }

        @Test func `a reply with another's cookie is ignored and the true one served`() throws {
            let upstream = try FakeUpstream { request in
                let client = Array((Self.cookie(request.bytes) ?? []).prefix(8))
                guard client.count == 8 else { return [] }
                let forged = Self.reply(to: request.bytes, 66, cookie: [client[0] ^ 1] + client[1...] + Self.server)
                return [.reply(forged), .reply(forged), .reply(Self.reply(to: request.bytes, cookie: client + Self.server))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(worker.counters[.wrongCookie] == 2 && upstream.requests.count == 1)
            #expect(worker.log.lessons.allSatisfy { $0.addresses.map(\.lower) == [0xc000_0201] })
        }

        @Test func `a reply without the cookie that the server gives is not believed: TCP tells`() throws {
            let upstream = try FakeUpstream { request in
                let client = (Self.cookie(request.bytes) ?? []).prefix(8)
                let good = FakeUpstream.Action.reply(Self.reply(to: request.bytes, cookie: client + Self.server))
                guard request.name == "forged.example.org", !request.isTCP else { return [good] }
                return [.reply(TestMessage.reply(to: request.bytes, [.a(66)]))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(client.ask(TestMessage.query("forged.example.org"))?.addresses == [1])
            #expect(upstream.requests.map(\.isTCP) == [false, false, true])
            #expect(worker.counters[.wrongCookie] == 1 && worker.counters[.upstreamTimeouts] == 0)
        }

        /// Whoever could forge such a complaint would have cookies no longer looked at.
        @Test(arguments: [true, false])
        func `a complaint about EDNS without the cookie that the server gives is not believed: TCP tells`(_ isBare: Bool) throws {
            let upstream = try FakeUpstream { request in
                let client = (Self.cookie(request.bytes) ?? []).prefix(8)
                guard request.name == "forged.example.org", !request.isTCP else {
                    return [.reply(Self.reply(to: request.bytes, cookie: client + Self.server))]
                }
                guard request.bytes[11] == 1 else { return [.reply(TestMessage.reply(to: request.bytes, [.a(66)]))] }
                let complaint =
                    isBare
                    ? Array(request.bytes[0..<2]) + [0x80, 0x81] + [UInt8](repeating: 0, count: 8)
                    : TestMessage.reply(to: request.bytes, [], code: 1)
                return [.reply(complaint)]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            #expect(client.ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(client.ask(TestMessage.query("forged.example.org"))?.addresses == [1])
            #expect(upstream.requests.map(\.isTCP) == [false, false, true])
            #expect(worker.counters[.wrongCookie] == 1 && worker.counters[.upstreamWithoutEDNS] == 0)
        }

        @Test func `a server that knows EDNS no more is asked without it once TCP has told`() throws {
            let upstream = try FakeUpstream { request in
                let client = (Self.cookie(request.bytes) ?? []).prefix(8)
                if request.number == 0 { return [.reply(Self.reply(to: request.bytes, cookie: client + Self.server))] }
                return [.reply(TestMessage.reply(to: request.bytes, [.a(1)], code: request.bytes[11] == 1 ? 1 : 0))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
            #expect(upstream.requests.map(\.isTCP) == [false, false, true, true, false])
            #expect(upstream.requests.map { $0.bytes[11] } == [1, 1, 1, 0, 0])
        }

        @Test func `a server that gives cookies no more is believed again after one question over TCP`() throws {
            let upstream = try FakeUpstream { request in
                let client = (Self.cookie(request.bytes) ?? []).prefix(8)
                return [
                    .reply(
                        request.number == 0
                            ? Self.reply(to: request.bytes, cookie: client + Self.server) : TestMessage.reply(to: request.bytes, [.a(1)]))
                ]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<4 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
            #expect(upstream.requests.map(\.isTCP) == [false, false, true, false, false])
        }

        @Test(arguments: [true, false])
        func `BADCOOKIE is answered with the new cookie, and a second one by TCP`(_ takesSecond: Bool) throws {
            let upstream = try FakeUpstream { request in
                let client = (Self.cookie(request.bytes) ?? []).prefix(8)
                let isGood = request.isTCP || (takesSecond && (Self.cookie(request.bytes) ?? []).count == 16)
                return [.reply(Self.reply(to: request.bytes, cookie: client + Self.server, isBadCookie: !isGood))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [1])
            #expect(upstream.requests.map(\.isTCP) == (takesSecond ? [false, false] : [false, false, true]))
            #expect(worker.counters[.upstreamCookiesRefused] == (takesSecond ? 1 : 2) && worker.counters[.upstreamDown] == 0)
        }

        @Test(arguments: [0, 8, 15, 41]) func `a cookie of a length that no reply may have is none`(_ length: Int) throws {
            let upstream = try FakeUpstream { request in
                let client = (Self.cookie(request.bytes) ?? []).prefix(8)
                let cookie = Array((client + [UInt8](repeating: 5, count: 40)).prefix(length))
                return [.reply(Self.reply(to: request.bytes, cookie: cookie))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<3 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
            #expect(upstream.requests.allSatisfy { Self.cookie($0.bytes)?.count == 8 && !$0.isTCP })
            #expect(worker.counters[.wrongCookie] == 0)
        }

        @Test func `a server that knows no options is asked without EDNS, and so without a cookie`() throws {
            let upstream = try FakeUpstream { request in
                [.reply(TestMessage.reply(to: request.bytes, [.a(1)], code: request.bytes[11] == 1 ? 1 : 0))]
            }
            defer { upstream.stop() }
            let worker = try Self.worker([upstream])
            defer { worker.stop() }
            let client = try worker.client()
            for number in 0..<2 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
            #expect(upstream.requests.map { $0.bytes[11] } == [1, 0, 0])
        }
    }
}
