import DNSInterceptor
import NetworkTypes
import Testing

extension DNSWorkerTests {
    /// `DNSWorkerConfiguration.coalescesAnswers`.
    @Suite struct Coalescing {
        /// On sockets that are bound to one address, or to none, so that each answer says where it comes from.
        @Test(arguments: ["127.0.0.1", "::1"], [0x7f00_0001, 0] as [UInt32])
        func `clients that ask many things at once get each answer by itself, from the address that they asked`(
            source: String, listen: UInt32
        ) throws {
            let upstream = try FakeUpstream { request in
                let count = UInt8(request.name.first?.wholeNumberValue ?? 0)
                return [.reply(TestMessage.reply(to: request.bytes, (1...count).map { .a($0) }))]
            }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream], listen: IPAddress(v4: listen))
            defer { worker.stop() }
            let clients = try (0..<3).map { _ in try worker.client(from: source) }
            func query(_ count: Int) -> [UInt8] { TestMessage.query("\(count).example.org", id: UInt16(count)) }
            for count in 1...9 { try #require(clients[0].ask(query(count))?.addresses.count == count) }
            // Whether some are read together is for the scheduler to say.
            let wereCoalesced = eventually {
                for count in [3, 1, 9, 4, 4, 2, 7] { for client in clients { client.send(query(count)) } }
                for client in clients {
                    let replies = (0..<7).compactMap { _ in TestReply(client.receive()) }
                    #expect(replies.map(\.id).sorted() == [1, 2, 3, 4, 4, 7, 9])
                    for reply in replies { #expect(reply.addresses == (1...reply.id).map { UInt8($0) }) }
                }
                return worker.counters[.answersCoalesced] > 0
            }
            #expect(wereCoalesced && worker.counters[.datagramsLostAtSend] == 0)
        }
    }
}
