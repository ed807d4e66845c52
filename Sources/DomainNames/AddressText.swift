/// What looks like an address: enough to say where it belongs. Nothing is parsed here.
enum AddressText {
    /// Digits and dots; or hexadecimal digits with two colons or more, in brackets or not, a port or a zone behind them or not.
    static func isAddress(_ text: ArraySlice<Unicode.Scalar>) -> Bool {
        if !text.contains(":") {
            return text.contains { $0 != "." } && text.allSatisfy { ("0"..."9").contains($0) || $0 == "." }
        }
        var inner = text
        if inner.first == "[" {
            guard let end = inner.firstIndex(of: "]") else { return false }
            inner = inner[(inner.startIndex + 1)..<end]
        } else if let colon = inner.firstIndex(of: ":"), isAddress(inner[..<colon]), !inner[(colon + 1)...].contains(":") {
            // An IPv4 address with a port.
            return true
        }
        if let zone = inner.firstIndex(of: "%") { inner = inner[..<zone] }
        return inner.count { $0 == ":" } >= 2 && inner.allSatisfy { $0 == ":" || $0 == "." || $0.properties.isASCIIHexDigit }
    }

    static func isPrefixLength(_ text: ArraySlice<Unicode.Scalar>) -> Bool {
        (1...3).contains(text.count) && text.allSatisfy { ("0"..."9").contains($0) }
    }
}
