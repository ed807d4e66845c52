/// An Extended DNS Error: why an answer is what it is, for people (RFC 8914).
public struct ExtendedDNSError: Hashable, Sendable {
    /// INFO-CODE.
    public let code: UInt16
    /// EXTRA-TEXT; at most 128 bytes of it are sent.
    public let text: String

    public init(code: UInt16, text: String) {
        self.code = code
        self.text = text
    }

    public static func other(_ text: String) -> Self { Self(code: 0, text: text) }
    public static var staleAnswer: Self { Self(code: 3, text: "") }
    public static func notReady(_ text: String) -> Self { Self(code: 14, text: text) }
    public static func blocked(_ text: String) -> Self { Self(code: 15, text: text) }
    public static func prohibited(_ text: String) -> Self { Self(code: 18, text: text) }
    public static var staleNameError: Self { Self(code: 19, text: "") }
    public static func notSupported(_ text: String) -> Self { Self(code: 21, text: text) }
    public static func noReachableAuthority(_ text: String) -> Self { Self(code: 22, text: text) }
    public static func networkError(_ text: String) -> Self { Self(code: 23, text: text) }
    public static func invalidData(_ text: String) -> Self { Self(code: 24, text: text) }

    public static var synthesized: Self { Self(code: 29, text: "") }

    /// How many bytes of the text are sent: at most 128, never half a character.
    var sentTextCount: Int {
        let utf8 = text.utf8
        guard utf8.count > 128 else { return utf8.count }
        var count = 0
        for character in text.unicodeScalars {
            let width = character.utf8.count
            if count + width > 128 { break }
            count += width
        }
        return count
    }
}
