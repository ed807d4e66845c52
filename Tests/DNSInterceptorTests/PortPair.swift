import DNSInterceptor
import NetworkTypes

/// A UDP and a TCP socket of the interceptor's making on one port that the kernel chose for the first.
struct PortPair {
    let port: UInt16
    let datagrams: Int32
    let streams: Int32

    /// The port may still be taken for TCP, by a connection of an earlier test for instance: then another one is tried.
    init(_ address: IPAddress) throws(DNSSocketError) {
        var attempts = 0
        while true {
            let datagrams = try DNSSockets.bindUDP(address, port: 0)
            let port = try DNSSockets.port(of: datagrams)
            attempts += 1
            do throws(DNSSocketError) {
                streams = try DNSSockets.bindTCP(address, port: port)
                self.datagrams = datagrams
                self.port = port
                return
            } catch {
                _ = TestSocket(adopting: datagrams)
                guard attempts < 50 else { throw error }
            }
        }
    }
}
