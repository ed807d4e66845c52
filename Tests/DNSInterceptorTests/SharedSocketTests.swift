import DNSInterceptor
import Glibc
import NetworkTypes
import Testing

/// Several sockets on one port, one for each worker.
struct SharedSocketTests {
    private static let loopback = IPAddress(v4: 0x7f00_0001)

    /// Three of each kind on one port; the first ones are shared only afterwards, as those are that somebody else has bound.
    private struct Group {
        let port: UInt16
        let datagrams: [TestSocket]
        let streams: [TestSocket]

        init(_ address: IPAddress, count: Int) throws {
            let first = try PortPair(address)
            port = first.port
            try DNSSockets.share(first.datagrams)
            try DNSSockets.share(first.streams)
            var (datagrams, streams) = ([TestSocket(adopting: first.datagrams)], [TestSocket(adopting: first.streams)])
            for _ in 1..<count {
                datagrams.append(TestSocket(adopting: try DNSSockets.bindUDP(address, port: port, sharesPort: true)))
                streams.append(TestSocket(adopting: try DNSSockets.bindTCP(address, port: port, sharesPort: true)))
            }
            (self.datagrams, self.streams) = (datagrams, streams)
        }

        /// Where the next datagram or connection is.
        func ready(_ sockets: [TestSocket]) -> Int? {
            var waits = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            guard unsafe poll(&waits, nfds_t(waits.count), 3_000) == 1 else { return nil }
            return waits.firstIndex { $0.revents != 0 }
        }

        func socketOfDatagram(from source: String) throws -> Int? {
            let client = try #require(TestSocket.connect(to: port, from: source))
            client.send([1])
            let found = ready(datagrams)
            if let found { _ = datagrams[found].receive() }
            return found
        }

        func socketOfConnection(from source: String) throws -> Int? {
            let client = try #require(TestSocket.connect(to: port, isTCP: true, from: source))
            defer { withExtendedLifetime(client) {} }
            let found = ready(streams)
            if let found { _ = TestSocket(adopting: accept(streams[found].descriptor, nil, nil)) }
            return found
        }
    }

    @Test func `a client comes to one socket whatever its port, over UDP and TCP, and clients come to all of them`() throws {
        let group = try Group(Self.loopback, count: 3)
        for seed in [0, 0xdead_beef] as [UInt32] {
            try DNSSockets.steer(group.datagrams[0].descriptor, over: 3, seed: seed)
            try DNSSockets.steer(group.streams[0].descriptor, over: 3, seed: seed)
            // Zero stands for one: the multiplier is odd, and the upper half of an address in 127.0.0.0/8 is the same for all of them.
            var used: Set<Int> = []
            for number in 2..<62 {
                let source = "127.0.\(number % 7).\(number)"
                let socket = try #require(try group.socketOfDatagram(from: source))
                for _ in 0..<2 { #expect(try group.socketOfDatagram(from: source) == socket) }
                #expect(try group.socketOfConnection(from: source) == socket)
                used.insert(socket)
            }
            #expect(used.count == (seed == 0 ? 1 : 3))
        }
        // As many as there are workers, whoever else is there still.
        try DNSSockets.steer(group.datagrams[0].descriptor, over: 1, seed: 7)
        for number in 2..<20 { #expect(try group.socketOfDatagram(from: "127.0.0.\(number)") == 0) }
    }

    @Test func `a client with an IPv6 address comes to one socket, too`() throws {
        let group = try Group(IPAddress(v6Upper: 0, lower: 1), count: 3)
        try DNSSockets.steer(group.datagrams[0].descriptor, over: 3, seed: 0x9e37_79b9)
        try DNSSockets.steer(group.streams[0].descriptor, over: 3, seed: 0x9e37_79b9)
        let socket = try #require(try group.socketOfDatagram(from: "::1"))
        for _ in 0..<20 {
            #expect(try group.socketOfDatagram(from: "::1") == socket)
            #expect(try group.socketOfConnection(from: "::1") == socket)
        }
    }

    @Test func `a socket that others may not share says so`() throws {
        let alone = TestSocket(adopting: try DNSSockets.bindUDP(Self.loopback, port: 0))
        let port = try DNSSockets.port(of: alone.descriptor)
        #expect(throws: DNSSocketError(.bind, code: EADDRINUSE)) { try DNSSockets.bindUDP(Self.loopback, port: port, sharesPort: true) }
        #expect(throws: DNSSocketError(.setsockopt, code: EINVAL)) { try DNSSockets.steer(alone.descriptor, over: 2, seed: 1) }
    }
}
