import DomainNames
import NetworkTypes

/// Names and addresses in the form of hosts(5), which this node answers for by itself.
///
///     192.0.2.7     db.example.test  db      # forward for both names, reverse for the first
///
/// A name may also be another one's alias, which such files do not have: then it has no addresses of its own.
///
/// A name that is here has no other data: what the upstreams have under it is not asked for. Bounded: what is beyond is left out and told.
public struct HostTable: Sendable, Equatable {
    public static let namesMax = 65_536
    public static let addressesPerNameMax = 64
    /// Aliases on the way to a name with addresses.
    public static let aliasesPerNameMax = 8

    /// What could not be taken of a line, counted from 1.
    public struct Problem: Error, Sendable, Equatable {
        public let line: Int
        public let reason: String
    }

    private(set) var addresses: [DomainName: [IPAddress]] = [:]
    /// By the name that is asked for a reverse look-up.
    private(set) var names: [DomainName: DomainName] = [:]
    private(set) var aliases: [DomainName: DomainName] = [:]

    public var isEmpty: Bool { addresses.isEmpty && aliases.isEmpty }
    public var count: Int { addresses.count + aliases.count }

    /// The names that an alias leads to, the one with addresses last; nil of what is no alias, or leads to no addresses that are here.
    public func targets(of alias: DomainName) -> [DomainName]? {
        var targets: [DomainName] = []
        while let next = aliases[targets.last ?? alias] {
            guard targets.count < Self.aliasesPerNameMax else { return nil }
            targets.append(next)
        }
        return targets.last.flatMap { addresses[$0] } == nil ? nil : targets
    }

    public init() {}

    /// Takes every line that can be taken; gives what was wrong with the others.
    public mutating func add(_ text: String) -> [Problem] {
        var problems: [Problem] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            do throws(Problem) {
                try add(line: line, number: index + 1)
            } catch {
                problems.append(error)
            }
        }
        return problems
    }

    /// Takes an alias, which need not lead anywhere yet.
    public mutating func add(alias: DomainName, of target: DomainName) throws(Problem) {
        guard aliases[alias] == nil else { throw Problem(line: 1, reason: "\"\(alias)\" is an alias already") }
        guard addresses[alias] == nil else { throw Problem(line: 1, reason: "\"\(alias)\" has addresses, and cannot be an alias") }
        guard aliases.count < Self.namesMax else { throw Problem(line: 1, reason: "too many aliases") }
        aliases[alias] = target
    }

    /// Takes one line: an address and its names. An empty one, or a comment, adds nothing.
    public mutating func add(line: some StringProtocol, number: Int = 1) throws(Problem) {
        let content = line.prefix { $0 != "#" }
        let words = content.split(whereSeparator: \.isWhitespace)
        guard let first = words.first else { return }
        guard let address = IPAddress(parsing: String(first)) else {
            throw Problem(line: number, reason: "\"\(first)\" is no IP address")
        }
        guard words.count > 1 else { throw Problem(line: number, reason: "no name behind the address") }
        for (index, word) in words.dropFirst().enumerated() {
            let name: DomainName
            do throws(DomainNameError) {
                name = try DomainName(parsing: word)
            } catch {
                throw Problem(line: number, reason: "\"\(word)\": \(error)")
            }
            guard aliases[name] == nil else { throw Problem(line: number, reason: "\"\(word)\" is an alias, and cannot have addresses") }
            var known = addresses[name] ?? []
            if known.contains(address) { continue }
            guard known.count < Self.addressesPerNameMax, !known.isEmpty || addresses.count < Self.namesMax else {
                throw Problem(line: number, reason: "too many \(known.isEmpty ? "names" : "addresses of one name")")
            }
            known.append(address)
            addresses[name] = known
            let reverse = ReverseName.of(address)
            if index == 0, names[reverse] == nil { names[reverse] = name }
        }
    }
}
