/// The syntax of names and labels, after Kubernetes (RFC 1123) and Calico. Each check gives nil or what is wrong.
enum ResourceNameRule {
    /// One lower-case DNS label, 1...63 characters.
    static func isLabel(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isLowerAlphanumeric(first) && isLowerAlphanumeric(last)
            && bytes.allSatisfy { isLowerAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }

    /// Lower-case DNS labels with dots between, 1...253 characters.
    static func isSubdomain(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isLabel(String($0)) }
    }

    /// A key of a label or annotation: `name` or `prefix/name`, the prefix a DNS subdomain, the name 1...63 characters.
    static func isQualifiedName(_ text: String, foldsPrefixCase: Bool = false) -> Bool {
        let parts = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return isLabelName(String(parts[0]))
        case 2: return isSubdomain(foldsPrefixCase ? parts[0].lowercased() : String(parts[0])) && isLabelName(String(parts[1]))
        default: return false
        }
    }

    /// Letters, digits, `-`, `_` and `.`, a letter or digit at both ends, 1...63 characters.
    static func isLabelName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
    }

    static func isLabelValue(_ text: String) -> Bool { text.isEmpty || isLabelName(text) }

    /// `name` or `tier.name`; a NetworkPolicy made from a Kubernetes or OpenStack one is `knp.default.` or `ossg.default.` and any subdomain.
    static func isPolicyName(_ text: String, isNamespaced: Bool) -> Bool {
        if isNamespaced, text.hasPrefix("knp.default.") || text.hasPrefix("ossg.default.") { return isSubdomain(text) }
        return isSubdomain(text) && text.split(separator: ".").count <= 2
    }

    /// Linux: 1...15 bytes (IFNAMSIZ), here letters, digits, `_`, `.` and `-`, as Calico; `.` and `..` are no names.
    static func isInterfaceName(_ text: String) -> Bool {
        (1...15).contains(text.utf8.count) && text != "." && text != ".."
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
    }

    /// A named port: 1...128 letters, digits, `-`, `_` and `.`, at least one of them a letter.
    static func isPortName(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
            && text.utf8.contains { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) }
    }

    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLowerAlphanumeric(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}
