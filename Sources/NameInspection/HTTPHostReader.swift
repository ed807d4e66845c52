import DomainNames

/// Reads the server's name out of the head of the first request of an HTTP/1.x connection (RFC 9112).
///
/// Strict where servers differ: lines end in CRLF, nothing stands between a field's name and its colon, no line is folded, there is one
/// Host field. A target in absolute form, or of CONNECT, must name the same host. All lines of the head are read before there is a name.
public enum HTTPHostReader {
    private static let carriageReturn = UInt8(ascii: "\r")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let space = UInt8(ascii: " ")
    private static let tab = UInt8(ascii: "\t")
    private static let colon = UInt8(ascii: ":")

    /// What the request line says.
    private struct Target {
        /// Of an absolute form or CONNECT.
        var name: DomainName?
    }

    /// `bytes` are the first ones of the stream, without a gap.
    public static func read(_ bytes: Span<UInt8>) -> NameReading {
        do throws(NameFault) {
            guard let name = try name(bytes) else { return .needsMore }
            return .name(SeenName(name, from: .http))
        } catch {
            return .fault(error)
        }
    }

    /// Whether a request can begin with this byte.
    static func isMethodByte(_ byte: UInt8) -> Bool { HostText.isUppercase(byte) }

    private static func name(_ bytes: Span<UInt8>) throws(NameFault) -> DomainName? {
        guard let first = try line(bytes, from: 0) else { return nil }
        let target = try target(bytes, first)
        var field: Range<Int>?
        var position = first.upperBound + 2
        while true {
            guard position < bytes.count else { return nil }
            if bytes[position] == space || bytes[position] == tab { throw .foldedHeader }
            guard let line = try line(bytes, from: position) else { return nil }
            position = line.upperBound + 2
            if line.isEmpty { break }
            guard let value = try hostValue(bytes, line) else { continue }
            guard field == nil else { throw .duplicateHost }
            field = value
        }
        var host: DomainName?
        if let field { host = try authority(bytes, field) }
        switch (target.name, host) {
        case (let name?, let host?):
            guard name == host else { throw .hostMismatch }
            return name
        case (let name?, nil): return name
        case (nil, let host?): return host
        case (nil, nil): throw .noHost
        }
    }

    /// The line from `start`, without its CRLF; nil while it is not complete.
    private static func line(_ bytes: Span<UInt8>, from start: Int) throws(NameFault) -> Range<Int>? {
        for place in start..<bytes.count {
            let byte = bytes[place]
            if byte == carriageReturn {
                guard place + 1 < bytes.count else { return nil }
                guard bytes[place + 1] == lineFeed else { throw .malformedRequest }
                return start..<place
            }
            guard byte >= 0x20 && byte != 0x7f || byte == tab else { throw .malformedRequest }
        }
        return nil
    }

    private static func target(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(NameFault) -> Target {
        var spaces: [Int] = []
        for place in line where bytes[place] == space { spaces.append(place) }
        guard spaces.count == 2, spaces[0] > line.lowerBound, spaces[1] > spaces[0] + 1 else { throw .malformedRequest }
        let method = line.lowerBound..<spaces[0]
        let target = (spaces[0] + 1)..<spaces[1]
        let version = (spaces[1] + 1)..<line.upperBound
        for place in method where !isToken(bytes[place]) { throw .malformedRequest }
        for place in target where bytes[place] == tab { throw .malformedRequest }
        if equals(bytes, method, "PRI"), equals(bytes, version, "HTTP/2.0") { throw .http2PriorKnowledge }
        guard equals(bytes, version, "HTTP/1.1") || equals(bytes, version, "HTTP/1.0") else { throw .malformedRequest }
        if equals(bytes, method, "CONNECT") { return Target(name: try authority(bytes, target)) }
        if bytes[target.lowerBound] == UInt8(ascii: "/") || equals(bytes, target, "*") { return Target(name: nil) }
        return Target(name: try authority(bytes, try authorityOfURI(bytes, target)))
    }

    /// The authority of `http://authority/...`.
    private static func authorityOfURI(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(NameFault) -> Range<Int> {
        var start = range.lowerBound
        if starts(bytes, range, "http://") {
            start += 7
        } else if starts(bytes, range, "https://") {
            start += 8
        } else {
            throw .malformedRequest
        }
        var end = start
        while end < range.upperBound, bytes[end] != UInt8(ascii: "/"), bytes[end] != UInt8(ascii: "?"), bytes[end] != UInt8(ascii: "#") {
            end += 1
        }
        return start..<end
    }

    /// The value of a line that is a Host field.
    private static func hostValue(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(NameFault) -> Range<Int>? {
        var end = line.lowerBound
        while end < line.upperBound, bytes[end] != colon {
            guard isToken(bytes[end]) else { throw .malformedRequest }
            end += 1
        }
        guard end > line.lowerBound, end < line.upperBound else { throw .malformedRequest }
        guard end - line.lowerBound == 4, starts(bytes, line, "host") else { return nil }
        var value = (end + 1)..<line.upperBound
        while let first = value.first, bytes[first] == space || bytes[first] == tab { value = (first + 1)..<value.upperBound }
        while let last = value.last, bytes[last] == space || bytes[last] == tab { value = value.lowerBound..<last }
        return value
    }

    /// `uri-host [ ":" port ]` (RFC 9110 §7.2).
    private static func authority(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(NameFault) -> DomainName {
        guard !range.isEmpty else { throw .emptyName }
        guard bytes[range.lowerBound] != UInt8(ascii: "[") else { throw .addressLiteral }
        var end = range.lowerBound
        while end < range.upperBound, bytes[end] != colon { end += 1 }
        if end < range.upperBound {
            for place in (end + 1)..<range.upperBound where !HostText.isDigit(bytes[place]) { throw .invalidName }
        }
        return try HostText.read(bytes, range.lowerBound..<end, dropsFinalDot: true)
    }

    private static func equals(_ bytes: Span<UInt8>, _ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        // Sound: places below the count of the text.
        for place in 0..<range.count where unsafe bytes[range.lowerBound + place] != text.utf8Start[place] { return false }
        return true
    }

    /// Whether the bytes begin with a text in lower case, whatever their own case.
    private static func starts(_ bytes: Span<UInt8>, _ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count >= text.utf8CodeUnitCount else { return false }
        // Sound: places below the count of the text.
        for place in 0..<text.utf8CodeUnitCount
        where unsafe HostText.lowercase(bytes[range.lowerBound + place]) != text.utf8Start[place] {
            return false
        }
        return true
    }

    /// tchar of RFC 9110 §5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "^")...UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
