import Foundation
import Testing

extension KernelSuites {
    @Suite struct LeaseTests {
        /// Time to live 2 s, raised to the floor of 5 s, and 10 s of grace.
        private static let leaseSeconds = 15.0

        @Test func `an open connection outlives its name by far, and a new one needs a new lookup`() throws {
            let node = try RunningNode(
                NodeSettings(bindings: "  redialSeconds: 0\n"),
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["short.example.org"]), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.echo("192.0.2.30")

            let watch = Stopwatch()
            #expect(try node.resolve("short.example.org", from: "pod-a") == ["192.0.2.30"])
            let pump = try StreamPump(try node.stream("pod-a", to: "192.0.2.30"), every: 1, in: node.lab, watch: watch)
            // A connection within the lease does not prolong it.
            watch.sleep(untilSecond: Self.leaseSeconds - 3)
            #expect(try node.isReached("pod-a", "192.0.2.30"))
            watch.sleep(untilSecond: Self.leaseSeconds + 1)
            #expect(try node.isRefused("pod-a", "192.0.2.30"))
            #expect(try node.flow("pod-a", to: "192.0.2.30", verdict: "reject").reason == "address_not_resolved")
            watch.sleep(untilSecond: 30.5)
            #expect(try node.isRefused("pod-a", "192.0.2.30"))

            let record = try pump.stop()
            print("lease: \(record.exchanges) exchanges in \(watch.seconds) s, longest \(record.longestSeconds) s")
            #expect(record.failure == nil)
            #expect(record.exchanges >= 28)
            try node.resolve("short.example.org", from: "pod-a")
            #expect(try node.isReached("pod-a", "192.0.2.30"))
        }
    }
}
