import CNetfilter
import NetworkTypes

/// DNS of policed endpoints that is addressed to somebody else, brought to the interceptor.
extension Ruleset.Builder {
    mutating func dnsRedirect() {
        guard configuration.interceptDNS else { return }
        for pattern in configuration.workloadInterfaces {
            rule("dns_prerouting", Expression.isInputInterface(pattern), [.verdict(.jump("dns_redirect"))])
        }
        if queryLimit != nil { limitInterceptedQueries() }
        for family: IPFamily in [.v4, .v6] {
            guard let listen = configuration.dnsListen.first(where: { $0.family == family }) else { continue }
            for (transport, port) in [(Ruleset.udp, configuration.dnsInterceptPort), (Ruleset.tcp, configuration.dnsPort)] {
                rule(
                    "dns_redirect", source(family), isPoliced(family), Expression.isProtocol(transport),
                    transportPort(source: false, 53),
                    [
                        .immediate(register: 1, listen.networkBytes), .immediate(register: 2, Expression.big(port)),
                        .destinationNAT(family: family == .v4 ? 2 : 10, addressRegister: 1, portRegister: 2),
                    ])
            }
        }
    }
}
