import DNSInterceptor
import NetworkTypes

/// The servers that a `resolv.conf` names (resolv.conf(5)), as upstreams. Nothing else of the file is taken: not `search`, `options` or `sortlist`.
struct ResolvConf {
    /// In the order of the file, each once, at most ``ForwardingZone/liveMax``.
    private(set) var servers: [IPAddress] = []
    /// Entries that are passed over: line number from 1, and why.
    private(set) var problems: [(line: Int, reason: String)] = []

    /// - Parameter own: the resolver's addresses: a question to one of them would come back for ever.
    init(parsing text: String, own: [IPAddress]) {
        // A NUL ends no line, so a file that is no text names nobody.
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.first == "nameserver" else { continue }
            func passOver(_ reason: String) { problems.append((index + 1, reason)) }
            guard words.count >= 2, let parsed = IPAddress(parsing: String(words[1])) else {
                passOver(words.count >= 2 ? "\"\(words[1])\" is no address without a zone" : "nameserver without an address")
                continue
            }
            let address = parsed.mappedV4 ?? parsed
            if own.contains(address) {
                passOver("\(address) is an address of dns.listen: a question would come back for ever")
            } else if Self.isNobody(address) {
                passOver("\(address) is nobody's address")
            } else if servers.contains(address) {
                continue
            } else if servers.count == ForwardingZone.liveMax {
                passOver("more than \(ForwardingZone.liveMax) servers")
            } else {
                servers.append(address)
            }
        }
    }

    /// Unspecified, multicast and broadcast addresses.
    private static func isNobody(_ address: IPAddress) -> Bool {
        switch address.family {
        case .v4: address.v4 >> 24 == 0 || address.v4 >> 28 >= 14
        case .v6: (address.upper == 0 && address.lower == 0) || address.upper >> 56 == 0xff
        }
    }
}
