/// Which processes of a node a `HostEndpoint` stands for: those of some users, or those of a cgroup.
public enum ProcessClass: Sendable, Hashable {
    /// `exeat.io/uid` with a number or a range, `1000` or `1000-1999`.
    case users(ClosedRange<UInt32>)
    /// `exeat.io/uid` with a name, which each node looks up for itself.
    case userName(String)
    /// `exeat.io/cgroup`: the path of a cgroup (version 2) below their root, without slashes around; processes in cgroups below it too.
    case cgroup(String)

    /// The annotations, and the labels that the endpoint gets from them.
    public static let userKey = "exeat.io/uid"
    public static let cgroupKey = "exeat.io/cgroup"

    /// Of the annotation that says it.
    public var key: String {
        switch self {
        case .users, .userName: Self.userKey
        case .cgroup: Self.cgroupKey
        }
    }

    /// The value of `exeat.io/cgroup`: a path below the root of the cgroups, such as `system.slice/backup.service`, or the name of a unit of
    /// systemd's, which stands for its path (systemd.slice(5)); nil if it is neither.
    public init?(cgroup text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...16).contains(parts.count), text.utf8.count <= 255,
            parts.allSatisfy({ part in
                !part.isEmpty && part != "." && part != ".." && part.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "\"") }
            })
        else { return nil }
        let isUnit = parts.count == 1 && [".service", ".scope", ".socket", ".mount"].contains { text.hasSuffix($0) && text != $0 }
        self = .cgroup(isUnit ? "system.slice/\(text)" : text)
    }

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
        case .cgroup(let path): path
        }
    }

    /// Whether a process may surely belong to both.
    func overlaps(_ other: ProcessClass) -> Bool {
        switch (self, other) {
        case (.users(let left), .users(let right)): left.overlaps(right)
        case (.userName(let left), .userName(let right)): left == right
        case (.cgroup(let left), .cgroup(let right)): left == right || left.hasPrefix(right + "/") || right.hasPrefix(left + "/")
        default: false
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }
}
