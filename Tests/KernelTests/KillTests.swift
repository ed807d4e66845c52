import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// The daemon dies again and again, at moments that nobody chose.
    @Suite struct KillTests {
        /// `EXEAT_KILLS` gives another number.
        private static let kills = ProcessInfo.processInfo.environment["EXEAT_KILLS"].flatMap { Int($0) } ?? 6

        private static let zone = """
            one    3600 A 198.51.100.101
            two    3600 A 198.51.100.102
            keep   3600 A 198.51.100.103
            kept   3600 A 198.51.100.104
            denied 3600 A 198.51.100.200
            *.some 20 A 198.51.100.105
            """

        private struct Counts: Sendable {
            var done = 0
            var failed = 0
            var last = ""
            var random: SeededRandom
        }

        private static func shop(_ round: Int) -> String {
            PolicyText.allow(
                "shop", protocol: nil,
                domains: ["one.names.test", "two.names.test", "keep.names.test", "kept.names.test", "round-\(round % 7).example.net"])
        }

        @Test func `kill -9 at random moments under load, and a flush of the ruleset, lets nothing denied pass and cuts nothing allowed`()
            throws
        {
            let seed = SeededRandom.seed()
            print("kills: EXEAT_SEED=\(seed) EXEAT_KILLS=\(Self.kills)")
            var random = SeededRandom(seed: seed)
            let node = try RunningNode(
                zones: ["names.test": Self.zone],
                policies: [
                    "shop.yaml": Self.shop(0), "rest.yaml": PolicyText.denyRest,
                    "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", domains: ["two.names.test"]),
                ])
            defer { node.stop() }
            try node.echo("198.51.100.101", "198.51.100.102", "198.51.100.103", "198.51.100.104", "198.51.100.105", "198.51.100.200")
            for name in ["one", "keep", "kept", "denied"] { try node.resolve("\(name).names.test", from: "pod-a") }
            try node.resolve("two.names.test", from: "pod-b")

            // Never allowed; and allowed to the neighbour alone, who has resolved it.
            let podA = try node.pod("pod-a")
            let denied = try ["198.51.100.200", "198.51.100.102"].map { try #require(IPAddress(parsing: $0)) }
            let witnesses = try denied.map { try Witness(in: node.lab, from: podA.v4, to: $0) }
            let probers = try denied.map { try Prober(in: podA, to: $0, port: RunningNode.echoPort) }
            var streams: [(what: String, pump: StreamPump)] = []
            for (pod, address, isDatagram) in [
                ("pod-a", "198.51.100.101", false), ("pod-a", "198.51.100.103", false), ("pod-b", "198.51.100.102", false),
                ("pod-a", "198.51.100.101", true), ("pod-a", "198.51.100.104", true),
            ] {
                streams.append(
                    (
                        "\(isDatagram ? "UDP" : "TCP") of \(pod) to \(address)",
                        try StreamPump(
                            try node.stream(pod, to: address, isDatagram: isDatagram), every: 0.01, in: node.lab,
                            timeoutMilliseconds: 20_000)
                    ))
            }
            // Queries, half of them for names that nobody asked for before.
            let queries = try Repeater(in: podA.namespace, Counts(random: SeededRandom(seed: seed ^ 1)), pause: 0.01) { counts in
                let number = UInt64.random(in: 0..<1_000_000, using: &counts.random)
                let name = number % 2 == 0 ? "n\(number).some.names.test" : "one.names.test"
                let answer = LabClient.resolve(name, server: RunningNode.resolver, timeoutMilliseconds: 8_000)
                counts.done += 1
                if answer.addresses.isEmpty { counts.failed += 1 }
            }
            // A lost packet costs the SYN a second, then two, then four.
            let allowed = try #require(IPAddress(parsing: "198.51.100.103"))
            let connections = try Repeater(in: podA.namespace, Counts(random: SeededRandom(seed: seed ^ 2)), pause: 0.01) { counts in
                let result = LabClient.connect(to: allowed, port: RunningNode.echoPort, payload: [1], timeoutMilliseconds: 15_000)
                counts.done += 1
                if result.outcome != .answered {
                    counts.failed += 1
                    counts.last = "\(result.outcome)"
                }
            }
            // Each changes the generation of pod-a: all its flows are decided anew.
            let path = node.policyPath("shop.yaml")
            let changes = try Repeater(in: node.lab.node, Counts(random: SeededRandom(seed: seed ^ 3)), pause: 0) { counts in
                Thread.sleep(forTimeInterval: Double.random(in: 0.02...0.4, using: &counts.random))
                counts.done += 1
                try Self.shop(counts.done).write(toFile: path, atomically: true, encoding: .utf8)
            }
            let began = Stopwatch()
            let ends = try Self.ends(node, began)
            try #require(Set(ends.keys) == ["one.names.test", "keep.names.test", "kept.names.test"])

            var (killed, flushed, missing) = (0, 0, 0)
            var pauses: [Double] = []
            func killOnce() throws {
                try node.end(SIGKILL)
                killed += 1
                guard Bool.random(using: &random) else { return }
                Thread.sleep(forTimeInterval: Double.random(in: 0...0.2, using: &random))
                _ = try node.lab.node.run(["nft", "flush", "ruleset"])
                flushed += 1
            }
            while killed < Self.kills {
                Thread.sleep(forTimeInterval: Double.random(in: 0...0.8, using: &random))
                let watch = Stopwatch()
                try killOnce()
                Thread.sleep(forTimeInterval: Double.random(in: 0...0.3, using: &random))
                // One in four dies while it starts.
                if killed < Self.kills, Int.random(in: 0..<4, using: &random) == 0 {
                    try node.launch()
                    Thread.sleep(forTimeInterval: Double.random(in: 0...0.5, using: &random))
                    try killOnce()
                }
                try node.start()
                pauses.append(watch.seconds)
                let now = try Self.ends(node, began)
                for (name, end) in ends {
                    guard let again = now[name] else {
                        missing += 1
                        continue
                    }
                    // Nobody asks for two of them again, so nothing lengthens them; the third is asked for all the time.
                    if name != "one.names.test" {
                        #expect(again.earliest <= end.latest + 0.05 && again.latest >= end.earliest - 0.05, "\(name)")
                    }
                }
            }
            Thread.sleep(forTimeInterval: 0.5)

            let changed = try changes.stop()
            let connected = try connections.stop()
            let asked = try queries.stop()
            let probed = try probers.map { try $0.stop() }
            let passed = try witnesses.map { try $0.packets() }
            print(
                "kills: \(killed) killed, \(flushed) flushed after it, longest without a ready daemon \(pauses.max() ?? 0) s; "
                    + "\(probed.map(\.attempts)) denied attempts, \(passed) packets of them passed; \(connected.done) connections, "
                    + "\(connected.failed) failed \(connected.last); \(asked.done) queries, \(asked.failed) failed; \(changed.done) policy changes"
            )
            #expect(passed == [0, 0])
            for record in probed { #expect(record.attempts > 20 && record.reached == 0) }
            for (what, pump) in streams {
                let record = try pump.stop()
                print("kills: \(what): \(record.exchanges) exchanges, longest \(record.longestSeconds) s, \(record.resent) sent again")
                #expect(record.failure == nil, "\(what) was cut")
                #expect(record.exchanges > 20, "\(what)")
            }
            #expect(missing == 0)
            #expect(connected.done > 10 && connected.failed == 0)
            #expect(changed.done > Self.kills)
            // And what a policy of the last moment says is in force.
            #expect(try node.isReached("pod-a", "198.51.100.104"))
            #expect(try node.isRefused("pod-a", "198.51.100.200"))
            #expect(try node.isRefused("pod-a", "198.51.100.102"))
        }

        /// When each of pod-a's long bindings ends, in seconds of the stopwatch: within these two.
        private static func ends(_ node: RunningNode, _ watch: Stopwatch) throws -> [String: (earliest: Double, latest: Double)] {
            let before = watch.seconds
            let rows = try node.bindings()
            let after = watch.seconds
            var ends: [String: (earliest: Double, latest: Double)] = [:]
            for row in rows where row.endpoint.hasSuffix("pod-a") && ["one", "keep", "kept"].contains(row.name.prefix { $0 != "." }) {
                ends[row.name.hasSuffix(".") ? String(row.name.dropLast()) : row.name] = (
                    before + row.remaining / 1_000, after + row.remaining / 1_000
                )
            }
            return ends
        }
    }
}
