import DomainNames
import NetworkTypes

/// The other end of a flow, as people write it: a name, an address, or an endpoint that the policies know.
///
///     api.example.org:443    192.0.2.1    [2001:db8::1]:443    2001:db8::1    shop/web:8080
public enum FlowPeer: Sendable, Hashable {
    case name(DomainName)
    case address(IPAddress)
    /// `NAMESPACE/NAME`, or another identity of an endpoint.
    case endpoint(String)

    /// Reads a peer and its port; the port is nil if there is none.
    public static func parse(_ text: String) throws(PolicyToolError) -> (peer: FlowPeer, port: UInt16?) {
        let (host, port) = try split(text)
        if let address = IPAddress(parsing: host) { return (.address(address), port) }
        if host.utf8.contains(UInt8(ascii: "/")) || host.hasPrefix("hostendpoint:") { return (.endpoint(host), port) }
        do throws(DomainNameError) {
            return (.name(try DomainName(parsing: host)), port)
        } catch {
            throw PolicyToolError("\"\(host)\" is no name and no address: \(error)")
        }
    }

    private static func split(_ text: String) throws(PolicyToolError) -> (host: String, port: UInt16?) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw PolicyToolError("\"\(text)\" lacks a closing bracket") }
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            if rest.isEmpty { return (host, nil) }
            guard rest.first == ":" else { throw PolicyToolError("\"\(text)\" is no address with a port", hint: "[2001:db8::1]:443") }
            return (host, try port(rest.dropFirst(), of: text))
        }
        let isHostEndpoint = text.hasPrefix("hostendpoint:")
        let parts = text.dropFirst(isHostEndpoint ? "hostendpoint:".count : 0).split(separator: ":", omittingEmptySubsequences: false)
        // More than one colon: an IPv6 address without brackets.
        guard parts.count == 2 else { return (text, nil) }
        return ((isHostEndpoint ? "hostendpoint:" : "") + parts[0], try port(parts[1], of: text))
    }

    private static func port(_ digits: Substring, of text: String) throws(PolicyToolError) -> UInt16 {
        guard let value = UInt16(digits), value > 0, digits.utf8.first != UInt8(ascii: "+") else {
            throw PolicyToolError("\"\(text)\": \"\(digits)\" is no port", hint: "a number from 1 to 65535")
        }
        return value
    }
}
