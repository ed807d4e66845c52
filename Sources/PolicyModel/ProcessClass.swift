/// Which processes of a node a `HostEndpoint` stands for: those of some users.
public enum ProcessClass: Sendable, Hashable {
    /// `exeat.io/uid` with a number or a range, `1000` or `1000-1999`.
    case users(ClosedRange<UInt32>)
    /// `exeat.io/uid` with a name, which each node looks up for itself.
    case userName(String)

    /// The annotation, and the label that the endpoint gets from it.
    public static let userKey = "exeat.io/uid"
    /// Reserved: processes by cgroup are not told apart yet.
    static let cgroupKey = "exeat.io/cgroup"

    /// The value of `exeat.io/uid`; nil if it is neither a number below 2^32 - 1, nor a range of them, nor the name of a user.
    public init?(user text: String) {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        if text.utf8.allSatisfy({ Self.isDigit($0) || $0 == UInt8(ascii: "-") }) {
            let numbers = parts.compactMap { $0.utf8.allSatisfy(Self.isDigit) ? UInt32($0) : nil }
            // 2^32 - 1 means "no user" (setreuid(2)).
            guard numbers.count == parts.count, let first = numbers.first, let last = numbers.last, first <= last, last < .max else {
                return nil
            }
            self = .users(first...last)
            return
        }
        // useradd(8): names begin with a letter or _ and have at most 32 characters.
        guard let first = text.utf8.first, text.utf8.count <= 32, Self.isLetter(first) || first == UInt8(ascii: "_"),
            text.utf8.allSatisfy({
                Self.isLetter($0) || Self.isDigit($0) || [UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains($0)
            })
        else { return nil }
        self = .userName(text)
    }

    /// As the annotation has it.
    public var text: String {
        switch self {
        case .users(let range): range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        case .userName(let name): name
        }
    }

    /// Whether a process may surely belong to both.
    func overlaps(_ other: ProcessClass) -> Bool {
        switch (self, other) {
        case (.users(let left), .users(let right)): left.overlaps(right)
        case (.userName(let left), .userName(let right)): left == right
        default: false
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }
}
