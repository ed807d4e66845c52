import Conntrack
import Glibc
import NetfilterTables
import NetworkTypes
import Testing

extension KernelSuites {
    /// Events, single entries and their marks, in a network of our own.
    @Suite(.serialized)
    struct ConntrackFlowTests {
        /// Carries the socket into a namespace and out again.
        final class EventBox: @unchecked Sendable {
            var socket: ConntrackEventSocket
            var events: [ConntrackEvent] = []
            var hasLost = false
            var malformed = 0

            init(_ socket: consuming ConntrackEventSocket) { self.socket = socket }

            func read() throws {
                var found: [ConntrackEvent] = []
                let reading = try socket.read { found.append($0) }
                events += found
                malformed += reading.malformed
                if reading.hasLost { hasLost = true }
            }

            func wait(_ isThere: (ConntrackEvent) -> Bool) throws -> ConntrackEvent? {
                var found: ConntrackEvent?
                _ = try waitUntil(seconds: 5) {
                    try read()
                    found = events.first(where: isThere)
                    return found != nil
                }
                return found
            }
        }

        static func listen(_ fixture: Fixture, markMask: UInt32 = 0, receiveBytes: Int32 = 1 << 20) throws -> EventBox {
            try inNamespace(fixture.network.node) {
                try shell("sysctl -qw net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1")
                return EventBox(try ConntrackEventSocket(Set(ConntrackEvent.Kind.allCases), markMask: markMask, receiveBytes: receiveBytes))
            }
        }

        @Test func `a flow announces its beginning with the mark of its verdict and its end with its bytes`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let box = try Self.listen(fixture)
            let mark = MarkLayout.standard.deposit(1)
            do {
                let client = try #require(try fixture.connect(from: fixture.network.podA, to: TestNetwork.serverAddress).0)
                #expect(client.echo() == .reached)
                let began = try #require(
                    try box.wait { $0.kind == .began && $0.entry.transport == .tcp && $0.entry.original.source == TestNetwork.addressA })
                #expect(began.entry.mark == mark && began.entry.original.destination == TestNetwork.serverAddress)
                #expect(try box.wait { $0.kind == .changed && $0.entry.id == began.entry.id && $0.entry.tcpState == 3 } != nil)
            }
            let id = try #require(box.events.first { $0.kind == .began && $0.entry.transport == .tcp }?.entry.id)
            try inNamespace(fixture.network.node) {
                var socket = try ConntrackSocket()
                try socket.purge(originalSource: TestNetwork.addressA)
            }
            let ended = try #require(try box.wait { $0.kind == .ended && $0.entry.id == id })
            #expect((ended.entry.originalCount?.bytes ?? 0) > 200 && (ended.entry.replyCount?.packets ?? 0) >= 2)
            #expect(ended.entry.startNanoseconds != nil && ended.entry.stopNanoseconds != nil && ended.entry.mark == mark)
            #expect(box.malformed == 0 && !box.hasLost)
        }

        @Test func `a socket with a mask hears of marked flows alone`() throws {
            let fixture = try Fixture()
            defer { fixture.stop() }
            fixture.script.answer(.allow(1))
            let box = try Self.listen(fixture, markMask: MarkLayout.standard.mask)
            #expect(try fixture.udp(from: fixture.network.podB, to: TestNetwork.serverAddress).echo() == .reached)
            #expect(try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress).echo() == .reached)
            #expect(try box.wait { $0.entry.original.source == TestNetwork.addressA } != nil)
            #expect(box.events.allSatisfy { $0.entry.mark & MarkLayout.standard.mask != 0 })
            #expect(!box.events.contains { $0.entry.original.source == TestNetwork.addressB })
        }

        @Test func `when the buffer is full the next read says that events were lost, and later ones come again`() throws {
            let fixture = try Fixture(contents: TableContents(known: Fixture.contents.known))
            defer { fixture.stop() }
            let box = try Self.listen(fixture, receiveBytes: 4_096)
            // The smallest buffer holds a few events.
            for _ in 0..<64 { #expect(try fixture.udp(from: fixture.network.podB, to: TestNetwork.serverAddress).echo() == .reached) }
            try box.read()
            #expect(box.hasLost)
            box.hasLost = false
            box.events = []
            #expect(try fixture.udp(from: fixture.network.podA, to: TestNetwork.serverAddress).echo() == .reached)
            #expect(try box.wait { $0.kind == .began && $0.entry.original.source == TestNetwork.addressA } != nil)
            #expect(!box.hasLost)
        }

        @Test(arguments: [TestNetwork.serverAddress, TestNetwork.server6Address])
        func `an entry is found by either tuple and by its two ends, and our bits of its mark are changed alone`(server: IPAddress) throws {
            let fixture = try Fixture(contents: TableContents(known: Fixture.contents.known))
            defer { fixture.stop() }
            let client = try #require(try fixture.connect(from: fixture.network.podB, to: server).0)
            #expect(client.echo() == .reached)
            let entry = try #require(
                try ConntrackTests.entries(fixture).first { $0.transport == .tcp && $0.original.destination == server })
            try inNamespace(fixture.network.node) {
                var socket = try ConntrackSocket()
                #expect(try socket.find(entry.original, .tcp)?.id == entry.id)
                #expect(try socket.find(entry.reply, .tcp)?.id == entry.id)
                #expect(try socket.find(entry.original, .udp) == nil)
                for walks in [false, true] {
                    let found = try socket.find(
                        originator: entry.original.source, port: entry.original.sourcePort, responder: server, port: 80, .tcp, walks: walks)
                    #expect(found?.id == entry.id)
                    let none = try socket.find(
                        originator: entry.original.source, port: 1, responder: server, port: 80, .tcp, walks: walks)
                    #expect(none == nil)
                }
                #expect(try socket.setMark(0xff00_0000, mask: 0xff00_0000, of: entry.original, .tcp))
                #expect(try socket.setMark(0xffff_ffff, mask: 0x0000_1f7f, of: entry.original, .tcp))
                #expect(try socket.find(entry.original, .tcp)?.mark == 0xff00_1f7f)
                #expect(try socket.setMark(0, mask: 0x0000_1f7f, of: entry.original, .tcp))
                #expect(try socket.find(entry.original, .tcp)?.mark == 0xff00_0000)
                #expect(try !socket.setMark(1, mask: 1, of: entry.original, .sctp))
            }
            #expect(client.echo() == .reached)
        }
    }
}
