import Foundation
import Testing

extension KernelSuites {
    @Suite struct PolicyChangeTests {
        private static let zone = """
            gone    300 A 198.51.100.111
            goneold   1 A 198.51.100.112
            stay    300 A 198.51.100.113
            stayold   1 A 198.51.100.114
            """

        @Test func `removing names from a policy file cuts the flows that used them within a second and no other`() throws {
            // A lease of two seconds for the names with a time to live of one.
            let settings = NodeSettings(floorSeconds: 1, graceSeconds: 1, bindings: "  redialSeconds: 0\n")
            let node = try RunningNode(
                settings, zones: ["names.test": Self.zone],
                policies: [
                    "shop.yaml": PolicyText.allow("shop", domains: ["gone", "goneold", "stay", "stayold"].map { "\($0).names.test" }),
                    "batch.yaml": PolicyText.allow("batch", selector: "app == \"batch\"", domains: ["gone.names.test"]),
                    "rest.yaml": PolicyText.denyRest,
                ])
            defer { node.stop() }
            try node.echo("198.51.100.111", "198.51.100.112", "198.51.100.113", "198.51.100.114")
            for name in ["gone", "goneold", "stay", "stayold"] { try node.resolve("\(name).names.test", from: "pod-a") }
            try node.resolve("gone.names.test", from: "pod-b")

            let watch = Stopwatch()
            func pump(_ pod: String, _ address: String) throws -> StreamPump {
                try StreamPump(try node.stream(pod, to: address), every: 0.02, in: node.lab, watch: watch)
            }
            let gone = try pump("pod-a", "198.51.100.111")
            let goneOld = try pump("pod-a", "198.51.100.112")
            let kept = [
                ("another name", try pump("pod-a", "198.51.100.113")), ("another name, expired", try pump("pod-a", "198.51.100.114")),
            ]
            // Idle at the change: decided anew at their next packet.
            let idle = try node.stream("pod-a", to: "198.51.100.111")
            let idleKept = try node.stream("pod-a", to: "198.51.100.114")
            watch.sleep(untilSecond: 4)
            #expect(try node.isRefused("pod-a", "198.51.100.112"))
            #expect(try node.isRefused("pod-a", "198.51.100.114"))
            let other = try StreamPump(try node.stream("pod-b", to: "198.51.100.111"), every: 0.02, in: node.lab, watch: watch)
            Thread.sleep(forTimeInterval: 0.2)

            let changed = watch.seconds
            try node.write(policy: "shop.yaml", PolicyText.allow("shop", domains: ["stay.names.test", "stayold.names.test"]))
            watch.sleep(untilSecond: changed + 2)

            let (live, old) = (try gone.stop(), try goneOld.stop())
            print("policy change: cut after \(live.failedAtSecond - changed) s, binding expired: \(old.failedAtSecond - changed) s")
            // A refused packet is answered by a reset; nothing that comes after it gets through.
            for record in [live, old] {
                #expect(record.failure == .ended(errno: ECONNRESET))
                #expect(record.failedAtSecond - changed < 1)
            }
            #expect(idle.exchange() == .ended(errno: ECONNRESET))
            #expect(idleKept.exchange() == .echoed)
            for (what, pump) in kept {
                let record = try pump.stop()
                #expect(record.failure == nil, "\(what)")
                #expect(record.longestSeconds < 0.5, "\(what)")
            }
            #expect(try other.stop().failure == nil)
            #expect(try node.isRefused("pod-a", "198.51.100.111"))
            #expect(try node.isReached("pod-a", "198.51.100.113"))
            #expect(try node.isReached("pod-b", "198.51.100.111"))
        }
    }
}
