import NetworkTypes
import Testing

@Suite struct TransportProtocolTests {
    struct Case: CustomTestStringConvertible {
        let text: String
        let number: UInt8?
        var testDescription: String { text }
    }

    /// Calico's names (docs.tigera.io, "Network policy", protocol) and the IANA protocol numbers.
    @Test(arguments: [
        Case(text: "TCP", number: 6), Case(text: "UDP", number: 17), Case(text: "ICMP", number: 1), Case(text: "ICMPv6", number: 58),
        Case(text: "SCTP", number: 132), Case(text: "UDPLite", number: 136), Case(text: "tcp", number: 6), Case(text: "icmpV6", number: 58),
        Case(text: "1", number: 1), Case(text: "6", number: 6), Case(text: "255", number: 255),
        Case(text: "", number: nil), Case(text: "0", number: nil), Case(text: "256", number: nil), Case(text: "-1", number: nil),
        Case(text: "+6", number: nil), Case(text: " 6", number: nil), Case(text: "TCP ", number: nil), Case(text: "0x6", number: nil),
        Case(text: "TC", number: nil), Case(text: "any", number: nil), Case(text: "TCP6", number: nil), Case(text: "٦", number: nil),
    ])
    func `names in any case and numbers from 1 to 255 are protocols`(_ row: Case) {
        #expect(TransportProtocol(parsing: row.text)?.rawValue == row.number)
    }

    @Test func `every protocol is written so that it reads back`() {
        for number in UInt8(1)...255 {
            let transport = TransportProtocol(rawValue: number)
            #expect(TransportProtocol(parsing: transport.description) == transport, "\(transport)")
        }
        #expect(TransportProtocol.tcp.description == "TCP")
        #expect(TransportProtocol.icmpv6.description == "ICMPv6")
        #expect(TransportProtocol(rawValue: 50).description == "50")
    }

    @Test func `TCP, UDP, SCTP and UDP-Lite have ports and nothing else has`() {
        let withPorts = (UInt8.min...UInt8.max).filter { TransportProtocol(rawValue: $0).hasPorts }
        #expect(withPorts == [6, 17, 132, 136])
    }
}
