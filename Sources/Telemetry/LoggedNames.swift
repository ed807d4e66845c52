import DomainNames

/// How much of a name that was asked for a log shows.
public struct LoggedNames: Sendable {
    public enum Extent: String, Sendable, CaseIterable {
        case full
        /// The name that somebody has registered, not what is below it.
        case registeredDomain = "registered-domain"
        /// A number that is equal for equal names until the next start.
        case hashed
        case none
    }

    public let extent: Extent
    private let key: (UInt64, UInt64)

    public init(_ extent: Extent) {
        self.extent = extent
        var random = SystemRandomNumberGenerator()
        key = (random.next(), random.next())
    }

    /// Whether records beside addresses may be shown: what they hold may have names in it.
    public var showsAllRecords: Bool { extent == .full }

    /// What tells names apart as far as they are shown.
    public func identity(_ name: DomainName) -> DomainName {
        switch extent {
        case .full, .hashed: name
        case .registeredDomain: name.registrableName ?? name
        case .none: .root
        }
    }

    /// The name as it is shown; `-` stands for one that is not.
    public func text(_ name: DomainName) -> String {
        switch extent {
        case .full, .registeredDomain: return identity(name).description
        case .hashed:
            // SipHash with a key that nobody else has: names cannot be tried out on a log that was taken elsewhere.
            var hasher = Hasher()
            hasher.combine(key.0)
            hasher.combine(key.1)
            hasher.combine(name)
            let digits = String(UInt64(UInt(bitPattern: hasher.finalize())), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        case .none: return "-"
        }
    }
}
