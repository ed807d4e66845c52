import DNSInterceptor
import Testing

@Suite struct DNSWorkerConfigurationTests {
    @Test(arguments: [1, 2, 8, 16])
    func `one client leaves half of its worker's connections to others`(_ workers: Int) {
        let part = DNSWorkerConfiguration(upstreams: []).divided(among: workers)
        #expect(part.tcpConnectionsPerClientMax <= part.tcpConnectionsMax / 2)
        #expect(part.tcpConnectionsPerClientMax > 0)
    }
}
