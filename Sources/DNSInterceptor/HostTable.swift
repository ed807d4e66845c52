import DomainNames
import NetworkTypes

/// Names and addresses in the form of hosts(5), which this node answers for by itself.
///
///     192.0.2.7     db.example.test  db      # forward for both names, reverse for the first
///
/// A name that is here has no other data: what the upstreams have under it is not asked for. Bounded: what is beyond is left out and told.
public struct HostTable: Sendable, Equatable {
    public static let namesMax = 65_536
    public static let addressesPerNameMax = 64

    /// What could not be taken of a line, counted from 1.
    public struct Problem: Error, Sendable, Equatable {
        public let line: Int
        public let reason: String
    }

    private(set) var addresses: [DomainName: [IPAddress]] = [:]
    /// By the name that is asked for a reverse look-up.
    private(set) var names: [DomainName: DomainName] = [:]

    public var isEmpty: Bool { addresses.isEmpty }
    public var count: Int { addresses.count }

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
