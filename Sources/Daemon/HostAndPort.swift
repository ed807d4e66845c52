import NetworkTypes

/// Texts such as `192.0.2.1:53`, `[2001:db8::1]:53` and `api.example.org:443`.
public enum HostAndPort {
    /// Splits into host and port; the port is nil if there is none, and the whole is nil if the port is no number from 1 to 65535.
    public static func split(_ text: String) -> (host: String, port: UInt16?)? {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            if rest.isEmpty { return (host, nil) }
            guard rest.first == ":", let port = port(rest.dropFirst()) else { return nil }
            return (host, port)
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return (text, nil)
        case 2:
            guard let port = port(parts[1]) else { return nil }
            return (String(parts[0]), port)
        default: return (text, nil)  // an IPv6 address without brackets
        }
    }

    /// An address with its port, or with `defaultPort` where the text names none.
    static func address(_ text: String, defaultPort: UInt16?) -> (address: IPAddress, port: UInt16)? {
        guard let (host, port) = split(text), let address = IPAddress(parsing: host), let port = port ?? defaultPort else { return nil }
        return (address, port)
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard let value = UInt16(text), value > 0, text.utf8.first != UInt8(ascii: "+") else { return nil }
        return value
    }
}
