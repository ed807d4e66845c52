import DNSInterceptor
import DomainNames
import NetworkTypes
import Testing

struct TunnelGuardTests {
    private static let client = EndpointID(rawValue: 1)
    private static let other = EndpointID(rawValue: 2)
    private static let start = Instant(seconds: 1_000)

    /// Reproducible (SplitMix64, Steele et al. 2014).
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = state
            value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
            return value ^ value >> 31
        }
    }

    private static func text(_ count: Int, _ alphabet: String, _ random: inout Random) -> String {
        let letters = Array(alphabet)
        return String((0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
    }

    /// Asks for names, so many a second; how many of them are suspect, and the first.
    private static func run(
        _ tunnels: inout TunnelGuard, _ names: [String], perSecond: Int, from start: Instant = start, client: EndpointID = client
    ) throws -> (count: Int, first: Int?) {
        var count = 0
        var first: Int?
        for (index, name) in names.enumerated() {
            let now = start.advanced(byNanoseconds: UInt64(index) * 1_000_000_000 / UInt64(perSecond))
            guard tunnels.suspect(try DomainName(parsing: name), client: client, now: now) != nil else { continue }
            count += 1
            if first == nil { first = index }
        }
        return (count, first)
    }

    private static let base32 = "abcdefghijklmnopqrstuvwxyz012345"

    /// As iodine sends data upstream: base32 in labels of 57, below a delegated name.
    private static func iodine(_ count: Int, _ random: inout Random) -> [String] {
        (0..<count).map { _ in "0\(text(56, base32, &random)).\(text(57, base32, &random)).\(text(40, base32, &random)).t.example.net" }
    }

    /// As dnscat2 does: hexadecimal, at most 60 digits to a label.
    private static func dnscat(_ count: Int, _ random: inout Random) -> [String] {
        (0..<count).map { _ in "\(text(60, "0123456789abcdef", &random)).\(text(40, "0123456789abcdef", &random)).example.org" }
    }

    @Test func `tunnels are found within their first names`() throws {
        var random = Random(state: 1)
        for stream in [Self.iodine(1_000, &random), Self.dnscat(1_000, &random)] {
            var tunnels = TunnelGuard(TunnelLimits())
            let (count, first) = try Self.run(&tunnels, stream, perSecond: 20)
            #expect(try #require(first) <= 130)
            // The filters take some new names for known ones.
            #expect(count > 600)
        }
    }

    @Test func `a suspect name that is asked for again, or for another type, is suspect again`() throws {
        var random = Random(state: 9)
        var tunnels = TunnelGuard(TunnelLimits())
        _ = try Self.run(&tunnels, Self.iodine(200, &random), perSecond: 20)
        let suspects = Self.iodine(100, &random)
        let later = Self.start.advanced(bySeconds: 20)
        // But for what the filters take for known ones.
        let first = try Self.run(&tunnels, suspects, perSecond: 20, from: later).count
        #expect(first > 80)
        for _ in 0..<3 { #expect(try Self.run(&tunnels, suspects, perSecond: 20, from: later).count == first) }
    }

    @Test func `names that say nothing hide no tunnel`() throws {
        var random = Random(state: 10)
        var tunnels = TunnelGuard(TunnelLimits())
        var names: [String] = []
        for name in Self.iodine(400, &random) {
            names.append(name)
            for length in 1...20 { names.append("\(String(repeating: "a", count: length)).\(Self.text(2, "ab", &random)).t.example.net") }
        }
        #expect(try Self.run(&tunnels, names, perSecond: 400).count > 200)
    }

    @Test func `a tunnel that goes on is refused in the minutes that follow too, from their first new name on`() throws {
        var random = Random(state: 2)
        var tunnels = TunnelGuard(TunnelLimits())
        _ = try Self.run(&tunnels, Self.iodine(600, &random), perSecond: 10)
        let next = Self.start.advanced(bySeconds: 61)
        #expect(try Self.run(&tunnels, Self.iodine(20, &random), perSecond: 10, from: next).first ?? 20 <= 2)
        // Two silent minutes later nothing is held against it.
        let later = Self.start.advanced(bySeconds: 300)
        #expect(try Self.run(&tunnels, Self.iodine(20, &random), perSecond: 10, from: later).count == 0)
    }

    @Test func `a tunnel of one client is nobody else's`() throws {
        var random = Random(state: 3)
        var tunnels = TunnelGuard(TunnelLimits())
        let stream = Self.iodine(400, &random)
        #expect(try Self.run(&tunnels, stream, perSecond: 20).count > 0)
        #expect(try Self.run(&tunnels, Array(stream.prefix(50)), perSecond: 20, client: Self.other).count == 0)
    }

    @Test func `a browser that meets thousands of names over many domains is no tunnel`() throws {
        var random = Random(state: 4)
        var names: [String] = []
        for site in 0..<600 {
            for host in ["www", "static", "images-production-west", "api", "d\(Self.text(13, Self.base32, &random))"] {
                names.append("\(host).site\(site).example")
                // Each page names a CDN with a label of its own, and the same ones again.
                names.append("\(Self.text(32, "0123456789abcdef", &random)).cdn\(site % 60).test")
                names.append("fonts.shared.test")
            }
        }
        #expect(names.count == 9_000)
        var tunnels = TunnelGuard(TunnelLimits())
        #expect(try Self.run(&tunnels, names, perSecond: 60).count == 0)
    }

    @Test func `reverse lookups, blocklists and service names below one domain are no tunnels`() throws {
        var random = Random(state: 5)
        var tunnels = TunnelGuard(TunnelLimits())
        func byte() -> Int { .random(in: 0...255, using: &random) }
        let reverse = (0..<3_000).map { _ in "\(byte()).\(byte()).\(byte()).192.in-addr.arpa" }
        #expect(try Self.run(&tunnels, reverse, perSecond: 20).count == 0)
        let blocklist = (0..<3_000).map { _ in "\(byte()).\(byte()).\(byte()).\(byte()).zen.example.org" }
        #expect(try Self.run(&tunnels, blocklist, perSecond: 20).count == 0)
        let nibbles = (0..<600).map { _ in
            (0..<24).map { _ in Self.text(1, "0123456789abcdef", &random) }.joined(separator: ".") + ".8.b.d.0.1.0.0.2.ip6.arpa"
        }
        #expect(try Self.run(&tunnels, nibbles, perSecond: 20).count == 0)
        let services = (0..<1_500).map { "shop-\($0).team-\($0 % 20).svc.corp.example.net" }
        #expect(try Self.run(&tunnels, services, perSecond: 2).count == 0)
    }

    @Test func `names that are asked for again and again are not new`() throws {
        var random = Random(state: 6)
        var tunnels = TunnelGuard(TunnelLimits())
        let names = Self.dnscat(90, &random)
        #expect(try Self.run(&tunnels, (0..<50).flatMap { _ in names }, perSecond: 100).count == 0)
    }

    @Test func `exempt zones and a guard that is switched off see nothing`() throws {
        var random = Random(state: 7)
        var limits = TunnelLimits()
        limits.exemptZones = [try DomainName(parsing: "t.example.net")]
        var exempt = TunnelGuard(limits)
        #expect(try Self.run(&exempt, Self.iodine(500, &random), perSecond: 20).count == 0)
        #expect(try Self.run(&exempt, Self.dnscat(500, &random), perSecond: 20).count > 0)
        limits = TunnelLimits()
        limits.mode = .disabled
        var disabled = TunnelGuard(limits)
        #expect(try Self.run(&disabled, Self.iodine(500, &random), perSecond: 20).count == 0)
    }

    @Test func `a flood of other domains does not hide a tunnel`() throws {
        var random = Random(state: 8)
        var limits = TunnelLimits()
        limits.trackedMax = 256
        var tunnels = TunnelGuard(limits)
        var names: [String] = []
        for name in Self.iodine(400, &random) {
            names.append(name)
            for _ in 0..<50 { names.append("www.\(Self.text(12, Self.base32, &random)).test") }
        }
        #expect(try Self.run(&tunnels, names, perSecond: 500).count > 100)
    }
}
