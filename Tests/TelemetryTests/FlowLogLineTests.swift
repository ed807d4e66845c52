import Telemetry
import Testing

struct FlowLogLineTests {
    private static let denied: FlowLogLine = {
        var line = FlowLogLine()
        line.time = "2026-01-02T03:04:05.678Z"
        line.endpoint = "default/shop-1"
        line.namespace = "default"
        line.labels = ["tier": "front", "app": "shop"]
        line.source = "198.51.100.1"
        line.sourcePort = 40_000
        line.destination = "192.0.2.10"
        line.destinationPort = 443
        line.transport = "TCP"
        line.verdict = "reject"
        line.reason = "address_not_resolved"
        line.tier = "default"
        return line
    }()

    @Test func `a refused flow is one line with the reason`() {
        #expect(
            Self.denied.json
                == #"{"time":"2026-01-02T03:04:05.678Z","endpoint":"default/shop-1","namespace":"default","labels":{"app":"shop","tier":"front"},"#
                + #""source":"198.51.100.1","source_port":40000,"destination":"192.0.2.10","destination_port":443,"protocol":"TCP","names":[],"#
                + #""verdict":"reject","reason":"address_not_resolved","tier":"default"}"#)
    }

    @Test func `an allowed flow names its rule and the name that opened it`() {
        var line = Self.denied
        line.names = ["api.example.org"]
        line.verdict = "allow"
        line.reason = "policy_allow"
        line.policy = "default/shop"
        line.rule = "egress[0]"
        line.isRedecision = true
        #expect(
            line.json
                == #"{"time":"2026-01-02T03:04:05.678Z","endpoint":"default/shop-1","namespace":"default","labels":{"app":"shop","tier":"front"},"#
                + #""source":"198.51.100.1","source_port":40000,"destination":"192.0.2.10","destination_port":443,"protocol":"TCP","#
                + #""names":["api.example.org"],"verdict":"allow","reason":"policy_allow","tier":"default","policy":"default/shop","#
                + #""rule":"egress[0]","redecision":true}"#)
    }

    @Test func `a packet that could not be parsed says why`() {
        var line = FlowLogLine()
        line.verdict = "drop"
        line.reason = "malformed_packet"
        line.detail = "fragment"
        #expect(
            line.json
                == #"{"time":"","endpoint":"","namespace":"","labels":{},"source":"","source_port":0,"destination":"","destination_port":0,"#
                + #""protocol":"","names":[],"verdict":"drop","reason":"malformed_packet","detail":"fragment"}"#)
    }
}
