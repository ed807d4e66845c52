import NetworkTypes

/// Prefixes, asked whether one of them holds another.
struct PrefixCover {
    private let prefixes: Set<IPPrefix>

    init(_ prefixes: [IPPrefix]) { self.prefixes = Set(prefixes) }

    func covers(_ prefix: IPPrefix) -> Bool {
        if prefixes.count <= 8 { return prefixes.contains { $0.contains(prefix) } }
        return (0...Int(prefix.length)).contains { length in IPPrefix(prefix.address, length: length).map(prefixes.contains) ?? false }
    }
}
