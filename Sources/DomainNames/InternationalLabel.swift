import CIDN2

/// Labels with letters outside ASCII: U-labels to A-labels by IDNA2008 (RFC 5891), with the mapping of UTS #46, not transitional,
/// and its STD3 rules. What libidn2 answers is checked again: letters, digits and hyphens only, at most 63.
enum InternationalLabel {
    enum Failure: String, Error {
        case disallowed = "a character that IDNA2008 does not allow"
        case hyphens = "\"-\" at the beginning or end, or third and fourth, of an international label"
        case leadingMark = "an international label begins with a combining mark"
        case context = "a joiner or a middle dot where its script does not use it"
        case unassigned = "a character that this version of Unicode does not know"
        case direction = "letters written left to right and right to left are mixed against RFC 5893"
        case notHost = "only letters, digits and \"-\" may stand beside letters outside ASCII"
        case badPunycode = "\"xn--\" without valid Punycode (RFC 3492) behind it"
        case tooLong = "a label has more than 63 bytes as A-label"
        case other = "no valid international label"
    }

    /// The full stop and the three characters that UTS #46 §2.3 reads as one.
    static func isDot(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case ".", "\u{3002}", "\u{ff0e}", "\u{ff61}": true
        default: false
        }
    }

    /// Lower case. The label must hold no dot, and at most 63 characters.
    static func aLabel(of label: String) throws(Failure) -> [UInt8] {
        let (status, bytes) = lookup(Array(label.utf8))
        guard status == IDN2_OK.rawValue, let bytes else { throw failure(status) }
        guard !bytes.isEmpty else { throw .other }
        guard bytes.allSatisfy({ $0 != UInt8(ascii: "_") && LabelGlob.isHostCharacter($0) }) else { throw .notHost }
        guard bytes.count <= DomainName.labelBytesMax else { throw .tooLong }
        // A mapped label may have come out as plain ASCII.
        guard bytes.first != UInt8(ascii: "-"), bytes.last != UInt8(ascii: "-") else { throw .hyphens }
        return bytes
    }

    static func isALabel(_ label: some Collection<UInt8>) -> Bool { label.starts(with: "xn--".utf8) }

    /// Throws if the Punycode of a label that begins with `xn--` says nothing, or not in its one way. Characters that IDNA2008 does not
    /// allow, or that came later, are let pass: such names are registered, and who writes the A-label leaves no doubt about it.
    static func check(aLabel label: some Collection<UInt8>) throws(Failure) {
        let (status, bytes) = lookup(Array(label))
        if status == IDN2_DISALLOWED.rawValue || status == IDN2_UNASSIGNED.rawValue { return }
        guard status == IDN2_OK.rawValue, let bytes, bytes.elementsEqual(label) else { throw .badPunycode }
    }

    /// `idn2_lookup_u8`: https://www.gnu.org/software/libidn/libidn2/manual/libidn2.html
    private static func lookup(_ label: [UInt8]) -> (status: Int32, bytes: [UInt8]?) {
        // The C side ends at the first zero.
        guard !label.contains(0) else { return (IDN2_DISALLOWED.rawValue, nil) }
        let flags = Int32(IDN2_NFC_INPUT.rawValue | IDN2_NONTRANSITIONAL.rawValue)
        var output: UnsafeMutablePointer<UInt8>?
        let status = unsafe (label + [0]).withUnsafeBufferPointer { input in
            unsafe idn2_lookup_u8(input.baseAddress, &output, flags)
        }
        guard let result = unsafe output else { return (status, nil) }
        defer { unsafe idn2_free(result) }
        var bytes: [UInt8] = []
        var position = 0
        // A text that libidn2 made ends with a zero.
        while unsafe result[position] != 0 {
            bytes.append(unsafe result[position])
            position += 1
        }
        return (status, bytes)
    }

    private static func failure(_ status: Int32) -> Failure {
        switch status {
        case IDN2_DISALLOWED.rawValue: .disallowed
        case IDN2_HYPHEN_STARTEND.rawValue, IDN2_2HYPHEN.rawValue: .hyphens
        case IDN2_LEADING_COMBINING.rawValue: .leadingMark
        case IDN2_CONTEXTJ.rawValue, IDN2_CONTEXTO.rawValue, IDN2_CONTEXTJ_NO_RULE.rawValue, IDN2_CONTEXTO_NO_RULE.rawValue: .context
        case IDN2_UNASSIGNED.rawValue: .unassigned
        case IDN2_BIDI.rawValue: .direction
        case IDN2_ALABEL_ROUNDTRIP_FAILED.rawValue: .notHost
        case IDN2_PUNYCODE_BAD_INPUT.rawValue, IDN2_PUNYCODE_OVERFLOW.rawValue, IDN2_INVALID_NONTRANSITIONAL.rawValue: .badPunycode
        case IDN2_TOO_BIG_LABEL.rawValue, IDN2_TOO_BIG_DOMAIN.rawValue, IDN2_PUNYCODE_BIG_OUTPUT.rawValue: .tooLong
        default: .other
        }
    }
}
