import CAllocationCounter
import DNSInterceptor
import Enforcement
import Foundation
import Glibc
import Synchronization
import Testing

extension DNSWorkerTests {
    /// Those that count descriptors or use them up run in a process of their own, as other tests open and close theirs meanwhile.
    @Suite struct Resources {
        @Test func `stopping leaves no descriptor, whatever was going on`() async {
            await #expect(processExitsWith: .success) {
                let silent = try FakeUpstream { _ in [] }
                let before = openDescriptors()
                for _ in 0..<8 {
                    let worker = try RunningWorker(upstreams: [silent]) { $0.tryTimeoutsMilliseconds = [1_000] }
                    let client = try worker.client()
                    let streams = try (0..<5).map { _ in try worker.streamClient() }
                    for number in 0..<20 { client.send(TestMessage.query("n\(number).example.org")) }
                    for stream in streams { stream.sendFrame(TestMessage.query("tcp.example.org")) }
                    #expect(
                        eventually {
                            worker.counters[.upstreamQueriesUDP] >= 20 && worker.counters[.upstreamQueriesTCP] >= 1
                                && worker.counters[.tcpOpen] == 5
                        })
                    worker.stop()
                }
                #expect(eventually { openDescriptors().sockets == before.sockets })
                // Each worker has two, and so may the library's own dispatcher come to have.
                #expect(eventually { openDescriptors().polls <= before.polls + 2 })
            }
        }

        @Test func `who waits for an upstream when the worker is told to stop gets the answer, who comes later is left to another`() throws
        {
            let upstream = try FakeUpstream { [.replyLater(TestMessage.reply(to: $0.bytes, [.a(1)]), milliseconds: 600)] }
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) { $0.tryTimeoutsMilliseconds = [2_000] }
            let (client, late) = (try worker.client(), try worker.client())
            client.send(TestMessage.query("www.example.org"))
            #expect(eventually { worker.counters[.upstreamQueriesUDP] == 1 })
            worker.mailbox.stop()
            usleep(200_000)
            late.send(TestMessage.query("later.example.org"))
            worker.stop()
            #expect(TestReply(client.receive())?.addresses == [1])
            #expect(worker.counters[.queriesUDP] == 1)
        }

        @Test func `many questions leave no descriptor and no place behind`() async {
            await #expect(processExitsWith: .success) {
                let upstream = try FakeUpstream.plain(ttl: 0)
                let worker = try RunningWorker(upstreams: [upstream]) { $0.outstandingMax = 8 }
                let client = try worker.client()
                #expect(client.ask(TestMessage.query("first.example.org"))?.addresses == [1])
                let before = openDescriptors().sockets
                for number in 0..<500 { #expect(client.ask(TestMessage.query("n\(number).example.org"))?.addresses == [1]) }
                // `before` may hold the first question's socket, which is closed after its answer is sent.
                #expect(eventually { openDescriptors().sockets <= before })
                #expect(eventually { worker.counters[.outstanding] == 0 && worker.counters[.waiting] == 0 })
            }
        }

        @Test func `without descriptors the listener rests, and serves again afterwards`() async {
            await #expect(processExitsWith: .success) {
                let upstream = try FakeUpstream.plain()
                let worker = try RunningWorker(upstreams: [upstream])
                #expect(try worker.client().ask(TestMessage.query("www.example.org"))?.addresses == [1])
                let waiting = TestSocket(adopting: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
                waiting.limitWait(milliseconds: 3_000)
                var limit = rlimit()
                _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                limit.rlim_cur = 256
                _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                var taken: [TestSocket] = []
                while true {
                    let descriptor = dup(0)
                    guard descriptor >= 0 else { break }
                    taken.append(TestSocket(adopting: descriptor))
                }
                #expect(unsafe TestSocket.bindOrConnect(waiting.descriptor, "127.0.0.1", worker.port, connect))
                #expect(eventually { worker.counters[.tcpAcceptErrors] >= 1 })
                usleep(250_000)
                #expect(worker.counters[.tcpAcceptErrors] <= 6, "it does not spin")
                let client = try? worker.client()
                #expect(client == nil, "no descriptor is left")
                taken.removeAll()
                waiting.sendFrame(TestMessage.query("www.example.org"))
                #expect(TestReply(waiting.receiveFrame())?.addresses == [1])
            }
        }

        /// Without optimisation the compiler itself allocates.
        @Test(.enabled(if: isOptimized), arguments: [false, true])
        func `a cached answer over UDP allocates nothing, with a log or without`(_ isLogged: Bool) throws {
            let upstream = try FakeUpstream.plain()
            defer { upstream.stop() }
            let worker = try RunningWorker(upstreams: [upstream]) {
                if isLogged { $0.log = Ring(capacity: 4_096, filler: .filler) }
            }
            defer { worker.stop() }
            let client = try worker.client(from: "127.0.0.2")
            let query = TestMessage.query("www.example.org")
            for _ in 0..<10 { _ = client.ask(query) }
            func allocations() -> UInt64 {
                let result = Count()
                worker.mailbox.post { _ in result.value.store(exeat_allocations_of_this_thread(), ordering: .sequentiallyConsistent) }
                _ = eventually { result.value.load(ordering: .sequentiallyConsistent) > 0 }
                return result.value.load(ordering: .sequentiallyConsistent)
            }
            let first = allocations()
            let second = allocations()
            for _ in 0..<1_000 { #expect(client.ask(query)?.addresses == [1]) }
            let third = allocations()
            // Asking for the figure itself allocates, and so may a tick.
            #expect(third - second <= (second - first) + 2)
        }

        private final class Count: Sendable {
            let value = Atomic<UInt64>(0)
        }
    }
}

/// How many sockets, and how many epoll and eventfd instances this process has open. What else there is, is not the worker's:
/// the standard library makes timers when it first needs one.
private func openDescriptors() -> (sockets: Int, polls: Int) {
    let manager = FileManager.default
    let names = (try? manager.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    let targets = names.compactMap { try? manager.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0) }
    return (targets.count { $0.hasPrefix("socket:") }, targets.count { $0.hasSuffix("[eventpoll]") || $0.hasSuffix("[eventfd]") })
}

#if DEBUG
    private let isOptimized = false
#else
    private let isOptimized = true
#endif
