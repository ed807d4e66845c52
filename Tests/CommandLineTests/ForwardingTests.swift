import NetworkTypes
import Synchronization
import Testing

extension CommandLineTests {
    /// What the configuration says of upstreams, seen from the wire.
    @Suite(.serialized) struct ForwardingTests {
        @Test func `a zone of the configuration decides whom the daemon asks, and how`() throws {
            let questions = Mutex<[(name: String, isOverTCP: Bool)]>([])
            // Nobody listens at the root's upstream.
            let lab = try DaemonLab(
                root: IPAddress(v4: 0xc000_0262),
                zones: "[{name: LIES.example.org, upstreams: [192.0.2.98]}, "
                    + "{name: true.lies.example.org, upstreams: [\(DaemonLab.upstreamAddress)], forceTCP: true}]"
            ) { question in
                questions.withLock { $0.append((question.label(1), question.isOverTCP)) }
                return [.init(bytes: question.reply().a(Lie.trueAddress).bytes)]
            }
            defer { lab.stop() }
            for number in 0..<3 {
                let reply = try #require(try lab.ask("n\(number).true.lies.example.org"))
                #expect(reply[3] & 0x0f == 0 && Array(reply.suffix(4)) == Lie.trueAddress)
            }
            let seen = questions.withLock { $0 }
            #expect(seen.count == 3 && seen.allSatisfy { $0.name == "true" && $0.isOverTCP })
            let metrics = try lab.metrics()
            // The upstream ends each connection after one answer; a question that was on its way then goes out again.
            let replaced = try #require(metrics["exeat_dns_upstream_connections_total{event=\"replaced\"}"])
            #expect(metrics["exeat_dns_upstream_queries_total{transport=\"tcp\"}"] == 3 + replaced)
            #expect(metrics["exeat_dns_upstream_failures_total{reason=\"tcp\"}"] == 0)
            #expect(metrics["exeat_dns_upstream_queries_total{transport=\"udp\"}"] == 0)
            #expect(try lab.bindings()["n0.true.lies.example.org"] != nil)
        }
    }
}
