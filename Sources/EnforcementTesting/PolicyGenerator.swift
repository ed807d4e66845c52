import DomainNames
import NetworkTypes
import PolicyModel

/// Makes random sets of resources that use every field, changes of them, and flows that meet them.
///
/// The universe is small (few labels, addresses, names, ports), so that what rules ask for is often there. Everything made is valid: what
/// the decoders refuse (names beside nets, ports without a protocol that has them) is not made.
public struct PolicyGenerator: Sendable {
    public var random: SeededGenerator
    public internal(set) var vocabulary = ReferenceVocabulary()
    /// Many policies and sets, most rules for one protocol and port: what an index does with long lists.
    public let isCrowded: Bool

    public init(seed: UInt64, isCrowded: Bool = false) {
        random = SeededGenerator(seed: seed)
        self.isCrowded = isCrowded
    }

    // MARK: The universe

    static let namespaces = ["east", "west"]
    static let accounts = ["builder", "runner"]
    static let profiles = ["kns.east", "projectcalico-default-allow", "ksa.east.builder", "open", "closed", "narrow", "missing"]
    static let services = ["shop", "search"]
    static let tiers = ["kube-admin", "security", "platform", Tier.defaultName, "kube-baseline"]
    static let portNames = ["web", "dns"]
    static let ports: [UInt16] = [53, 80, 443, 4_789, 8_080]

    public static let names: [DomainName] = [
        "example.org", "api.example.org", "www.example.org", "v2.api.example.org", "cdn.example.net", "a.cdn.example.net",
        "deep.a.cdn.example.net", "www.shop.example.test", "www.big.shop.example.test", "shop.example.test", "api-2.example.org", "test",
        "not\\032a\\032host.example.org", "b\\032c.cdn.example.net",
    ].map { text in
        guard let name = try? DomainName(parsing: text) else { preconditionFailure("a constant of the generator: \(text)") }
        return name
    }

    static let patterns: [(PatternDialect, [String])] = [
        (
            .calico,
            [
                "example.org", "API.example.org", "*.example.org", "www.*.example.test", "*.cdn.example.net", "cdn.example.net.",
                "*.example.test", "*.shop.example.test", "*.org",
            ]
        ),
        (.kubernetes, ["*.example.org", "www.example.org", "*.cdn.example.net", "*.Example.Test"]),
        (.ovn, ["*.example.org", "*.cdn.example.net", "api.example.org", "*.shop.example.test"]),
        (
            .cilium,
            ["*.example.org", "**.example.org", "api*.example.org", "w*.shop.example.test", "*", "a*.c*.example.net", "***.example.net"]
        ),
        (.ciliumName, ["api.example.org", "CDN.example.net.", "test"]),
        (.calicoInline, ["*.example.org", "www.example.org"]),
        (.istio, ["*.shop.example.test", "cdn.example.net", "*.test"]),
        (.antrea, ["*example.org", "*.example.test", "*cdn.example.net", "*", "*-2.example.org"]),
    ]

    public static let endpointAddresses: [IPAddress] =
        (1...8).map { IPAddress(v4: 0xc633_6400 + UInt32($0)) }
        + (1...8).map { IPAddress(v6Upper: 0x2001_0db8_0000_0064, lower: UInt64($0)) }
    public static let outsideAddresses: [IPAddress] =
        [1, 2, 5, 9, 130].map { IPAddress(v4: 0xc000_0200 + UInt32($0)) } + [IPAddress(v4: 0xcb00_7101)]
        + [1, 2, 0x11].map { IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: UInt64($0)) }

    static func prefixes(_ family: IPFamily) -> [IPPrefix] {
        let texts: [String] =
            switch family {
            case .v4:
                [
                    "192.0.2.0/24", "192.0.2.0/29", "192.0.2.0/30", "192.0.2.1/32", "192.0.2.128/25", "198.51.100.0/29", "198.51.100.3/32",
                    "203.0.113.0/24", "0.0.0.0/0",
                ]
            case .v6: ["2001:db8::/64", "2001:db8::1/128", "2001:db8::/124", "2001:db8:0:64::/64", "2001:db8:0:64::2/127", "::/0"]
            }
        return texts.compactMap { IPPrefix(parsing: $0) }
    }

    /// Labels on which selectors may differ: to tell whether two of them mean the same.
    static let labelSamples: [[String: String]] = [
        [:], ["app": "shop"], ["app": "batch", "zone": "front"], ["zone": "back"], ["app": "db", "zone": "it's"], ["role": "x"],
        ["env": "prod"], ["app": "shop", "role": "y", "env": "test"],
    ]

    // MARK: Small choices

    mutating func some<Element>(_ choices: [Element], _ counts: ClosedRange<Int>) -> [Element] {
        let count = Int.random(in: counts, using: &random)
        return Array(choices.shuffled(using: &random).prefix(count))
    }

    mutating func labels(_ values: [String: [String]]) -> [String: String] {
        var result: [String: String] = [:]
        for label in values.keys.sorted() where random.chance(60) { result[label] = random.pick(values[label] ?? [""]) }
        return result
    }

    static let workloadLabels = ["app": ["shop", "batch", "db"], "zone": ["front", "back", "it's", ""]]
    static let setLabels = ["role": ["x", "y"], "app": ["shop", "db"]]
    static let namespaceLabels = ["env": ["prod", "test"], "team": ["shop", "ops"]]

    func texts(for label: String) -> [String] {
        let known = Self.workloadLabels.merging(Self.setLabels) { $0 + $1 }.merging(Self.namespaceLabels) { $1 }
        return known[label] ?? ["builder", "east"]
    }

    mutating func selector(_ tree: ReferenceSelector) -> Selector {
        let text = tree.text(&random)
        return vocabulary.selector(tree, text, samples: Self.labelSamples)
    }

    /// Over labels of endpoints and sets, those that are inherited among them.
    mutating func selector() -> Selector {
        if random.chance(25) { return selector(.all) }
        return selector(
            tree(
                ["app", "app", "zone", "role", "projectcalico.org/namespace", "pcns.env", "pcsa.team", "projectcalico.org/serviceaccount"],
                depth: 0))
    }

    mutating func namespaceSelector(allowsGlobal: Bool = true) -> Selector {
        if random.chance(25) { return selector(allowsGlobal && random.chance(50) ? .global : .all) }
        return selector(tree(["env", "team", "projectcalico.org/name", "kubernetes.io/metadata.name"], depth: 1))
    }

    mutating func accountSelector() -> Selector {
        if random.chance(20) { return selector(.all) }
        return selector(tree(["env", "team", "projectcalico.org/name"], depth: 1))
    }

    private mutating func tree(_ labels: [String], depth: Int) -> ReferenceSelector {
        if depth < 3, random.chance(35) {
            switch Int.random(in: 0..<3, using: &random) {
            case 0: return .not(tree(labels, depth: depth + 1))
            case 1: return .and((0..<Int.random(in: 2...3, using: &random)).map { _ in tree(labels, depth: depth + 1) })
            default: return .or((0..<Int.random(in: 2...3, using: &random)).map { _ in tree(labels, depth: depth + 1) })
            }
        }
        let label = random.pick(labels)
        let known = texts(for: label)
        let text = random.pick(known)
        switch Int.random(in: 0..<11, using: &random) {
        case 0: return .has(label)
        case 1, 2, 3: return .equal(label, text)
        case 4: return .notEqual(label, text)
        case 5: return .contains(label, String(text.dropFirst().prefix(2)))
        case 6: return .startsWith(label, String(text.prefix(2)))
        case 7: return .endsWith(label, String(text.suffix(2)))
        case 8: return .isIn(label, some(known, 0...2))
        case 9: return .isNotIn(label, some(known, 1...2))
        default: return random.chance(50) ? .all : .equal(label, text)
        }
    }

    mutating func patterns(_ dialect: PatternDialect, _ counts: ClosedRange<Int>) -> [DomainPattern] {
        let known = Self.patterns.first { $0.0 == dialect }?.1 ?? []
        var result: [DomainPattern] = []
        for text in some(known, counts) {
            if let pattern = vocabulary.pattern(text, dialect, samples: Self.names) { result.append(pattern) }
        }
        return result
    }

    mutating func urls(_ counts: ClosedRange<Int>) -> [DomainURL] {
        patterns(.calico, counts).map { DomainURL(pattern: $0, port: random.pick([80, 443, 443, 8_080])) }
    }

    mutating func dialect() -> PatternDialect { random.chance(30) ? .calico : random.pick(PatternDialect.allCases) }

    mutating func order() -> Double? {
        random.chance(15) ? nil : random.pick([-1, 0, 10, 10, 20, 20.5, 1_000])
    }
}
