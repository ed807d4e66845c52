import Enforcement
import Foundation
import NetworkTypes
import Testing

/// Every row of `../shared/conformance/cilium-ttl-lifecycle.jsonl`.
@Suite(.enabled(if: Conformance.isPresent, Comment(rawValue: Conformance.absence)))
struct CiliumLeaseTests {
    private typealias Row = [String: Any]

    private static let policy = TestPolicy.allow("test.com, cilium.io, foo.bar, bar.foo, other.test")

    @Test func `leases begin, drain and end as the conformance rows say`() throws {
        let text = try String(contentsOf: Conformance.folder.appending(path: "cilium-ttl-lifecycle.jsonl"), encoding: .utf8)
        var compared = 0
        for line in text.split(separator: "\n") {
            let row = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? Row)
            let id = try #require(row["id"] as? String)
            switch id {
            case "shared-ip-two-names": try compareSharedAddress(row)
            case "overlimit-keeps-newest": try compareOverLimit(row)
            case "sibling-keepalive": try compareSiblings(row)
            case "two-conntrack-sweeps-before-delete": try compareSweeps()
            case "deferred-cap-evicts-idle-before-live": try compareDrainingMax()
            default: try compareLeases(row, line)
            }
            compared += 1
        }
        #expect(compared >= 9)
    }

    /// Floor as given, no grace: what Cilium has.
    private func bindings(_ change: (inout BindingLimits) -> Void) throws -> TestBindings {
        var limits = BindingLimits.small
        (limits.floorSeconds, limits.graceSeconds, limits.ceilingSeconds) = (0, 0, 86_400)
        change(&limits)
        return try TestBindings(Self.policy, limits: limits)
    }

    private func learn(_ steps: [[Any]], _ bindings: TestBindings) throws {
        for step in steps {
            try bindings.learn(
                try #require(step[2] as? String), try #require(step[3] as? String), ttl: UInt32(try #require(step[4] as? Int)),
                at: UInt64(try #require(step[1] as? Int)))
        }
    }

    private func compareLeases(_ row: Row, _ line: Substring) throws {
        let bindings = try bindings { $0.floorSeconds = UInt32(row["min_ttl"] as? Int ?? 0) }
        let steps = try #require(row["steps"] as? [[Any]], "a row that no test knows: \(line)")
        try learn(steps, bindings)
        let addresses = Set(steps.compactMap { $0[3] as? String })
        var expectations = 0
        for pair in row["expect"] as? [[Any]] ?? [] {
            let (at, isOpen) = (UInt64(try #require(pair[0] as? Int)), try #require(pair[1] as? Bool))
            #expect(addresses.allSatisfy { bindings.isBound($0, at: at) == isOpen }, "\(line), at \(at)")
            expectations += 1
        }
        for pair in row["expect_ips"] as? [[Any]] ?? [] {
            let (at, open) = (UInt64(try #require(pair[0] as? Int)), Set(try #require(pair[1] as? [String])))
            #expect(addresses.filter { bindings.isBound($0, at: at) } == open, "\(line), at \(at)")
            bindings.sweep(at: at)
            let live = bindings.names.bindingCount - bindings.names.drainingCount
            #expect(live == open.count)
            expectations += 1
        }
        #expect(expectations > 0, "\(line)")
    }

    private func compareSharedAddress(_ row: Row) throws {
        let limit = try #require(row["limit"] as? Int)
        let expected = try #require(row["expect"] as? Row)
        let bindings = try bindings { $0.addressesPerName = limit }
        try learn(try #require(row["steps"] as? [[Any]]), bindings)
        let evicted = try #require(expected["evicted_from_test_com"] as? String)
        let live = try bindings.addresses("test.com", .live)
        #expect(live.count == expected["test_com_count"] as? Int)
        #expect(!live.contains(evicted))
        // The lease that it has under the other name is over at 1 s; until then it is open.
        var names: [String] = []
        bindings.names.forEachBinding { _, name, itsAddress, _, state in
            if itsAddress == address(evicted), state == .live { names.append(name.description) }
        }
        #expect(names == expected["names_of_1_1_1_1"] as? [String])
        #expect(bindings.isBound(evicted, at: 1))
    }

    private func compareOverLimit(_ row: Row) throws {
        let limit = try #require(row["limit"] as? Int)
        let expected = try #require(row["expect"] as? [String: [String]])
        let bindings = try bindings { ($0.addressesPerName, $0.drainingPerClient) = (limit, limit) }
        let all = (expected["gone"] ?? []) + (expected["deferred"] ?? []) + (expected["live"] ?? [])
        #expect(all.count == 20)
        for (second, text) in all.enumerated() {
            try bindings.learn("test.com", text, ttl: 600, at: UInt64(second))
            bindings.admit(text, at: UInt64(second))
        }
        bindings.sweep(at: 20)
        #expect(try bindings.addresses("test.com", .live) == expected["live"])
        #expect(try bindings.addresses("test.com", .draining) == expected["deferred"])
        #expect(bindings.names.bindingCount == limit * 2)
        for text in expected["live"] ?? [] { #expect(bindings.isBound(text, at: 20, .live)) }
        for text in expected["deferred"] ?? [] {
            #expect(!bindings.isBound(text, at: 20, .live))
            #expect(bindings.isBound(text, at: 20, .liveOrDraining))
        }
        for text in expected["gone"] ?? [] { #expect(!bindings.isBound(text, at: 20, .liveOrDraining)) }
    }

    private func compareSiblings(_ row: Row) throws {
        let expected = try #require(row["expect"] as? [String: [String]])
        let (kept, gone) = (try #require(expected["kept"]), try #require(expected["gone"]))
        let bindings = try bindings { _ in }
        for text in kept { try bindings.learn("test.com", text, ttl: 10) }
        for text in gone { try bindings.learn("other.test", text, ttl: 10) }
        for text in kept + gone { bindings.admit(text, at: 5) }
        bindings.sweep(at: 20)
        bindings.release(sweepsAt: 21, 22, 23, unless: kept[0])
        #expect(try bindings.addresses("test.com", .draining) == kept)
        #expect(try bindings.addresses("other.test", .draining).isEmpty)
        for text in kept { #expect(bindings.isBound(text, at: 23, .liveOrDraining)) }
        for text in gone { #expect(!bindings.isBound(text, at: 23, .liveOrDraining)) }
        bindings.release(sweepsAt: 24, 25)
        #expect(bindings.names.bindingCount == 0)
    }

    private func compareSweeps() throws {
        let bindings = try bindings { _ in }
        try bindings.learn("test.com", "192.0.2.1", ttl: 10)
        bindings.admit("192.0.2.1", at: 5)
        // These began before its end and say nothing of it.
        bindings.release(sweepsAt: 8, 9, 10)
        bindings.release(sweepsAt: 11)
        #expect(bindings.isBound("192.0.2.1", at: 11, .liveOrDraining))
        // Seen in between: counted from the beginning.
        bindings.release(sweepsAt: 12, unless: "192.0.2.1")
        bindings.release(sweepsAt: 13)
        #expect(bindings.isBound("192.0.2.1", at: 13, .liveOrDraining))
        bindings.release(sweepsAt: 14)
        #expect(!bindings.isBound("192.0.2.1", at: 14, .liveOrDraining))
        #expect(bindings.names.bindingCount == 0)
    }

    private func compareDrainingMax() throws {
        for idle in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            let bindings = try bindings { $0.drainingPerClient = 2 }
            let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
            for (second, text) in all.enumerated() {
                try bindings.learn("test.com", text, ttl: 10, at: UInt64(second))
                bindings.admit(text, at: UInt64(second))
            }
            let live = all.filter { $0 != idle }
            bindings.release(sweepsAt: 30, unless: live[0], live[1])
            #expect(try bindings.addresses("test.com", .draining) == live)
            let evicted = bindings.names.counters.drainingEvicted
            #expect(evicted == 1)
        }
    }
}
