import NetworkTypes

/// Rules that stand before all policy for endpoints that some policy selects (host endpoints excepted): ways to resolve names out of
/// Exeat's sight. Each has a switch.
public struct BuiltInRules: Sendable, Hashable {
    /// `builtin:dot`: DNS over TLS (RFC 7858), TCP port 853.
    public var refusesDNSOverTLS: Bool
    /// `builtin:doq`: DNS over QUIC (RFC 9250) and over DTLS (RFC 8094), UDP port 853.
    public var refusesDNSOverQUIC: Bool
    /// `builtin:doh`: TCP and UDP port 443 of these addresses, where public resolvers serve DNS over HTTPS (RFC 8484). Empty: no such rule.
    public var dnsOverHTTPSAddresses: Set<IPAddress>
    /// `builtin:foreign-dns`: port 53 of whatever is not one of these. Nil: no such rule.
    public var resolvers: Set<IPAddress>?
    /// Whether the trusted resolvers (`PolicyOptions.trustedResolvers`, `dnsTrustedServers`) are among them: their answers are read on their way.
    public var allowsTrustedResolvers: Bool

    public init(
        refusesDNSOverTLS: Bool = true, refusesDNSOverQUIC: Bool = true,
        dnsOverHTTPSAddresses: Set<IPAddress> = BuiltInRules.publicResolvers, resolvers: Set<IPAddress>? = nil,
        allowsTrustedResolvers: Bool = false
    ) {
        self.refusesDNSOverTLS = refusesDNSOverTLS
        self.refusesDNSOverQUIC = refusesDNSOverQUIC
        self.dnsOverHTTPSAddresses = dnsOverHTTPSAddresses
        self.resolvers = resolvers
        self.allowsTrustedResolvers = allowsTrustedResolvers
    }

    public static let none = BuiltInRules(refusesDNSOverTLS: false, refusesDNSOverQUIC: false, dnsOverHTTPSAddresses: [])

    /// The addresses of large public resolvers, as their operators publish them.
    public static let publicResolvers: Set<IPAddress> = Set(
        [
            // Google Public DNS
            "8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844",
            // Cloudflare: plain, without malware, for families
            "1.1.1.1", "1.0.0.1", "1.1.1.2", "1.0.0.2", "1.1.1.3", "1.0.0.3", "2606:4700:4700::1111", "2606:4700:4700::1001",
            "2606:4700:4700::1112", "2606:4700:4700::1002", "2606:4700:4700::1113", "2606:4700:4700::1003",
            // Quad9: secured, unsecured, with client subnet
            "9.9.9.9", "149.112.112.112", "9.9.9.10", "149.112.112.10", "9.9.9.11", "149.112.112.11", "2620:fe::fe", "2620:fe::9",
            "2620:fe::10", "2620:fe::fe:10", "2620:fe::11", "2620:fe::fe:11",
            // OpenDNS
            "208.67.222.222", "208.67.220.220", "208.67.222.123", "208.67.220.123", "2620:119:35::35", "2620:119:53::53",
            // AdGuard DNS
            "94.140.14.14", "94.140.15.15", "94.140.14.15", "94.140.15.16", "94.140.14.140", "94.140.14.141", "2a10:50c0::ad1:ff",
            "2a10:50c0::ad2:ff", "2a10:50c0::bad1:ff", "2a10:50c0::bad2:ff", "2a10:50c0::1:ff", "2a10:50c0::2:ff",
            // CleanBrowsing
            "185.228.168.9", "185.228.169.9", "185.228.168.10", "185.228.169.11", "185.228.168.168", "185.228.169.168",
            // DNS.SB, Mullvad, Control D
            "185.222.222.222", "45.11.45.11", "2a09::", "2a11::", "194.242.2.2", "2a07:e340::2", "76.76.2.0", "76.76.10.0",
            "2606:1a40::", "2606:1a40:1::",
            // AliDNS, DNSPod
            "223.5.5.5", "223.6.6.6", "2400:3200::1", "2400:3200:baba::1", "119.29.29.29", "1.12.12.12", "120.53.53.53",
        ].compactMap { IPAddress(parsing: $0) })

    /// What a decision reads, in memory that whoever holds the policy keeps.
    @safe
    @frozen
    @usableFromInline
    struct View: BitwiseCopyable {
        @usableFromInline let refusesTLS: Bool
        @usableFromInline let refusesQUIC: Bool
        @usableFromInline let refusesForeign: Bool
        /// Ascending.
        @usableFromInline let httpsAddresses: UnsafeMutablePointer<IPAddress>
        @usableFromInline let httpsCount: Int
        /// Ascending.
        @usableFromInline let resolvers: UnsafeMutablePointer<IPAddress>
        @usableFromInline let resolverCount: Int

        init(_ rules: BuiltInRules, https: FlatMemory<IPAddress>, resolvers: FlatMemory<IPAddress>) {
            refusesTLS = rules.refusesDNSOverTLS
            refusesQUIC = rules.refusesDNSOverQUIC
            refusesForeign = rules.resolvers != nil
            unsafe httpsAddresses = https.base
            httpsCount = https.count
            unsafe self.resolvers = resolvers.base
            resolverCount = resolvers.count
        }

        /// Why a flow of a workload is refused; nil if no rule matches.
        @inlinable
        func reason(_ flow: FlowTuple) -> VerdictReason? {
            switch (flow.transport, flow.destinationPort) {
            case (.tcp, 853): refusesTLS ? .dnsOverTLS : nil
            case (.udp, 853): refusesQUIC ? .dnsOverQUIC : nil
            case (.tcp, 443), (.udp, 443): unsafe Self.contains(httpsAddresses, httpsCount, flow.destination) ? .dnsOverHTTPS : nil
            case (.tcp, 53), (.udp, 53):
                unsafe refusesForeign && !Self.contains(resolvers, resolverCount, flow.destination) ? .foreignDNS : nil
            default: nil
            }
        }

        // Sound: the count belongs to the pointer.
        @inlinable
        static func contains(_ addresses: UnsafeMutablePointer<IPAddress>, _ count: Int, _ wanted: IPAddress) -> Bool {
            var low = 0
            var high = count
            while low < high {
                let middle = (low &+ high) >> 1
                let found = unsafe addresses[middle]
                if found == wanted { return true }
                if found < wanted { low = middle &+ 1 } else { high = middle }
            }
            return false
        }
    }
}
