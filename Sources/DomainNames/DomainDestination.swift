/// A pattern, and the port that its text limits it to: what a policy writes under names, as a name or in URL form.
///
///     api.example.org                any port                https://api.example.org/*      TCP 443
///     https://api.example.org:8443   TCP 8443                http://*.example.org           TCP 80
///
/// A path is inside TLS and cannot be matched, so none but the empty one, `/` and `/*` is taken.
public struct DomainDestination: Hashable, Sendable {
    public let pattern: DomainPattern
    /// Nil if any port of any protocol is meant.
    public let ports: PortLimit?

    public init(pattern: DomainPattern, ports: PortLimit? = nil) {
        self.pattern = pattern
        self.ports = ports
    }

    /// Reads a name, a pattern or a URL.
    public init(parsing text: some StringProtocol, dialect: PatternDialect) throws(DomainPatternError) {
        (pattern, ports) = try Self.parse(text, dialect: dialect)
    }

    /// Reads a name, a pattern or a URL (RFC 3986 §3, `http` and `https` only).
    public static func parse(
        _ text: some StringProtocol, dialect: PatternDialect
    ) throws(DomainPatternError) -> (pattern: DomainPattern, ports: PortLimit?) {
        let scalars = Array(text.unicodeScalars)
        guard let colon = scalars.firstIndex(of: ":"), scalars[colon...].starts(with: "://".unicodeScalars) else {
            return (try DomainPattern(parsing: text, dialect: dialect), nil)
        }
        let standard = try standardPort(scalars[..<colon])
        let start = colon + 3
        let end = scalars[start...].firstIndex { $0 == "/" || $0 == "?" || $0 == "#" || $0 == "\\" } ?? scalars.count
        try checkPath(scalars, end)
        let authority = scalars[start..<end]
        if let at = authority.lastIndex(of: "@") {
            throw DomainPatternError(offset: at, reason: "a user name cannot be matched", hint: "it is inside TLS: write the host alone")
        }
        guard !authority.isEmpty else { throw DomainPatternError(offset: start, reason: "the URL has no host") }
        guard !AddressText.isAddress(authority) else {
            throw DomainPatternError(offset: start, reason: "an address is no name", hint: "addresses go under nets")
        }
        let host = authority.prefix { $0 != ":" }
        let limit = try port(scalars, host.endIndex..<end) ?? standard
        do throws(DomainPatternError) {
            return (try DomainPattern(parsing: String(String.UnicodeScalarView(host)), dialect: dialect), PortLimit(port: limit))
        } catch {
            throw error.moved(by: start)
        }
    }

    private static func standardPort(_ scheme: ArraySlice<Unicode.Scalar>) throws(DomainPatternError) -> UInt16 {
        let name = String(String.UnicodeScalarView(scheme)).lowercased()
        switch name {
        case "https": return 443
        case "http": return 80
        case "": throw DomainPatternError(offset: 0, reason: "the URL has no scheme", hint: "https://, http://, or the host alone")
        default:
            let shown = name.count <= 16 ? "the scheme \"\(name)\"" : "this scheme"
            throw DomainPatternError(
                offset: 0, reason: "\(shown) names no port that is known here", hint: "write the host alone, and its port under ports")
        }
    }

    private static func checkPath(_ scalars: [Unicode.Scalar], _ start: Int) throws(DomainPatternError) {
        if let place = scalars[start...].firstIndex(where: { $0 == "?" || $0 == "#" }) {
            let part = scalars[place] == "?" ? "query" : "fragment"
            throw DomainPatternError(offset: place, reason: "a \(part) cannot be matched", hint: "it is inside TLS: end the URL before it")
        }
        let path = scalars[start...]
        guard path.isEmpty || path.elementsEqual("/".unicodeScalars) || path.elementsEqual("/*".unicodeScalars) else {
            throw DomainPatternError(
                offset: start, reason: "a path cannot be matched, it is inside TLS", hint: "end the URL behind the host, with / or with /*")
        }
    }

    /// Of `:8443`; nil of nothing.
    private static func port(_ scalars: [Unicode.Scalar], _ range: Range<Int>) throws(DomainPatternError) -> UInt16? {
        guard !range.isEmpty else { return nil }
        let digits = scalars[(range.lowerBound + 1)..<range.upperBound]
        guard (1...5).contains(digits.count), digits.allSatisfy({ ("0"..."9").contains($0) }),
            let port = UInt16(String(String.UnicodeScalarView(digits))), port > 0
        else {
            throw DomainPatternError(offset: range.lowerBound + 1, reason: "the port of a URL is a number from 1 to 65535")
        }
        return port
    }
}
