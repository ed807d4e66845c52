import Enforcement
import Foundation
import NetworkTypes
import Testing

/// The rows of `../shared/conformance/cilium-ttl-lifecycle.jsonl` that say what is learned when and what is open when.
/// Others are about how Cilium evicts; here a full table refuses instead.
@Suite(.enabled(if: Conformance.isPresent, Comment(rawValue: Conformance.absence)))
struct CiliumLeaseTests {
    @Test func `leases begin and end as the conformance rows say`() throws {
        let text = try String(contentsOf: Conformance.folder.appending(path: "cilium-ttl-lifecycle.jsonl"), encoding: .utf8)
        var compared = 0
        for line in text.split(separator: "\n") {
            let row = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            guard row["limit"] == nil, let steps = row["steps"] as? [[Any]] else { continue }
            var limits = BindingLimits.small
            (limits.floorSeconds, limits.graceSeconds, limits.ceilingSeconds) = (UInt32(row["min_ttl"] as? Int ?? 0), 0, 86_400)
            let bindings = try TestBindings(TestPolicy.allow("test.com, cilium.io"), limits: limits)
            var addresses: Set<String> = []
            for step in steps {
                let learned = try #require(step[3] as? String)
                addresses.insert(learned)
                try bindings.learn(
                    try #require(step[2] as? String), learned, ttl: UInt32(try #require(step[4] as? Int)),
                    at: UInt64(try #require(step[1] as? Int)))
            }
            for pair in row["expect"] as? [[Any]] ?? [] {
                let (at, isOpen) = (UInt64(try #require(pair[0] as? Int)), try #require(pair[1] as? Bool))
                compared += 1
                #expect(addresses.allSatisfy { bindings.isBound($0, at: at) == isOpen }, "\(line), at \(at)")
            }
            for pair in row["expect_ips"] as? [[Any]] ?? [] {
                let (at, open) = (UInt64(try #require(pair[0] as? Int)), Set(try #require(pair[1] as? [String])))
                compared += 1
                #expect(addresses.filter { bindings.isBound($0, at: at) } == open, "\(line), at \(at)")
                bindings.sweep(at: at)
                #expect(bindings.names.bindingCount == open.count)
            }
        }
        #expect(compared >= 8)
    }
}
