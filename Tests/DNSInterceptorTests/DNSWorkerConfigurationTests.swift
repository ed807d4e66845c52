import DNSInterceptor
import Testing

@Suite struct DNSWorkerConfigurationTests {
    @Test(arguments: [1, 2, 8, 16], [64, 2_048, 65_536])
    func `one client leaves half of its worker to others`(_ workers: Int, _ queriesPerUpstreamMax: Int) {
        var whole = DNSWorkerConfiguration(upstreams: [])
        whole.root.options.queriesPerUpstreamMax = queriesPerUpstreamMax
        let part = whole.divided(among: workers)
        #expect(part.waitersPerClientMax <= part.outstandingMax / 2)
        #expect(part.waitersPerClientMax <= part.root.options.queriesPerUpstreamMax / 2)
        #expect(part.tcpConnectionsPerClientMax <= part.tcpConnectionsMax / 2)
        #expect(part.waitersPerClientMax > 0 && part.tcpConnectionsPerClientMax > 0)
    }
}
