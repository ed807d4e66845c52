import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// The same questions to Exeat and to unbound, both in front of one authoritative server.
    @Suite struct ForwarderDifferenceTests {
        /// Why an answer may be another one; docs/resolver-differences.md has the same table.
        private enum Difference: String, CaseIterable {
            case any = "type ANY"
            case privateAddress = "private address"
            case serviceBinding = "HTTPS record with ech"
            case negativeChain = "TTL of CNAME records that lead to nothing"
            case synthesized = "TTL of the CNAME record that a DNAME record yields"
            case longChain = "long CNAME chain"
            case outside = "CNAME into a zone that the upstream does not have"
        }

        private struct Reply: Sendable {
            let datagram: [UInt8]
            /// Asked once more over TCP because of TC.
            let stream: [UInt8]?
        }

        private static func replies(_ namespace: DemoNetwork.Namespace, _ server: IPAddress, _ queries: [GeneratedQuery]) throws -> [Reply?]
        {
            try namespace.withThread {
                let client = try NameClient(server: server)
                return queries.map { query in
                    guard let datagram = client.ask(query.bytes) else { return nil }
                    guard datagram[2] & 2 != 0 else { return Reply(datagram: datagram, stream: nil) }
                    return client.askOverTCP(query.bytes).map { Reply(datagram: datagram, stream: $0) }
                }
            }
        }

        /// What the two replies differ in that a client could see; nil if nothing.
        private static func difference(_ ours: WireReply, _ theirs: WireReply, _ query: GeneratedQuery) -> String? {
            if ours.code != theirs.code { return "rcode \(ours.code), unbound's \(theirs.code)" }
            // RD, RA, CD. AA is for the authoritative, AD for who validates.
            if ours.flags & 0x0190 != theirs.flags & 0x0190 { return "flags \(ours.flags), unbound's \(theirs.flags)" }
            if ours.question != theirs.question { return "question" }
            if ours.answer.counted != theirs.answer.counted {
                return "answer \(ours.answer.records), unbound's \(theirs.answer.records)"
            }
            // Beside an answer, only what proves it: NSEC of a wildcard with its signatures.
            if ours.authority.counted != theirs.authority.counted {
                return "authority \(ours.authority.records), unbound's \(theirs.authority.records)"
            }
            if (ours.optFlags == nil) != (theirs.optFlags == nil) { return "OPT" }
            let ages = zip(ours.answer.timesToLive.sorted(), theirs.answer.timesToLive.sorted())
            if !ages.allSatisfy({ $0 <= 3_600 && $0.distance(to: $1).magnitude <= 120 }) { return "TTL" }
            return nil
        }

        private static func reason(
            _ difference: String, _ query: GeneratedQuery, _ ours: WireReply, _ theirs: WireReply
        ) -> Difference? {
            if difference == "TTL" {
                if query.name.hasPrefix("x.dname."), theirs.answer.timesToLive.contains(0), !ours.answer.timesToLive.contains(0) {
                    return .synthesized
                }
                let isShorter = zip(ours.answer.timesToLive, theirs.answer.timesToLive).allSatisfy { $0 <= $1 }
                let leadsToNothing = ours.authority.records.contains { $0.type == 6 }
                return isShorter && leadsToNothing && ours.answer.records.allSatisfy { [5, 39, 46].contains($0.type) }
                    ? .negativeChain : nil
            }
            if query.type == 255, ours.code == 5 || ours.code == 4 { return .any }
            if query.name.hasPrefix("private."), query.type == 1, ours.answer.records.isEmpty { return .privateAddress }
            if query.name.hasPrefix("sealed."), query.type == 65, Self.isStripped(ours, theirs) { return .serviceBinding }
            if query.name.hasPrefix("chain12."), theirs.code == 2 { return .longChain }
            if query.name.hasPrefix("chain20."), ours.code == 2 { return .longChain }
            if query.name.hasPrefix("elsewhere.") { return .outside }
            return nil
        }

        /// Refused whole where a signature covers it; else as it was, but for the parameter that stands last: `ech`.
        private static func isStripped(_ ours: WireReply, _ theirs: WireReply) -> Bool {
            if theirs.answer.records.contains(where: { $0.type == 46 }) { return ours.code == 5 && ours.answer.records.isEmpty }
            guard ours.code == 0, ours.answer.records.count == 1, theirs.answer.records.count == 1 else { return false }
            // Priority, target, alpn=h2 (RFC 9460 §2.2).
            let kept = theirs.answer.records[0].data.prefix(10)
            return kept.count == 10 && ours.answer.records[0].data == Array(kept)
        }

        @Test func `answers are those of unbound but for what a table explains`() throws {
            let count = ProcessInfo.processInfo.environment["EXEAT_QUERIES"].flatMap { Int($0) } ?? 20_000
            let seed = SeededRandom.seed()
            var random = SeededRandom(seed: seed)
            let queries = (0..<count).map { GeneratedQuery(id: UInt16(truncatingIfNeeded: $0), from: &random) }
            let node = try RunningNode(
                NodeSettings(hasFlowLog: false, upstream: ComparedServers.authority.description), hasWebServer: false,
                policies: ["shop.yaml": PolicyText.allow("shop", domains: ["*.example.org"]), "rest.yaml": PolicyText.denyRest],
                starts: false)
            defer { node.stop() }
            try ComparedServers.start(in: node.lab)
            try node.start()
            let watch = Stopwatch()
            let ours = try Self.replies(node.pod("pod-a").namespace, RunningNode.resolver, queries)
            let theirs = try Self.replies(node.lab.internet, ComparedServers.unbound, queries)
            var explained: [Difference: Int] = [:]
            var unexplained: [String] = []
            for (query, pair) in zip(queries, zip(ours, theirs)) {
                guard let first = pair.0, let second = pair.1 else {
                    unexplained.append("\(query): no reply of \(pair.0 == nil ? "ours" : "unbound")")
                    continue
                }
                // Whole answers are compared. What a datagram may hold is measured by its own whole answer.
                guard let datagram = WireReply(first.datagram), let whole = WireReply(first.stream ?? first.datagram),
                    let reference = WireReply(second.stream ?? second.datagram)
                else {
                    unexplained.append("\(query): a reply cannot be read")
                    continue
                }
                let room = min(1_232, max(512, Int(query.datagramBytes ?? 512)))
                if datagram.byteCount > room { unexplained.append("\(query): \(datagram.byteCount) bytes over UDP") }
                if datagram.isTruncated, whole.byteCount <= room || whole.isTruncated {
                    unexplained.append("\(query): TC for \(whole.byteCount) bytes")
                }
                guard let difference = Self.difference(whole, reference, query) else { continue }
                if let reason = Self.reason(difference, query, whole, reference) {
                    explained[reason, default: 0] += 1
                } else {
                    unexplained.append("\(query): \(difference)")
                }
            }
            let truncated = ours.count { $0?.stream != nil }
            print(
                "differences from unbound: seed \(seed), \(count) queries in \(watch.seconds) s, \(truncated) truncated; "
                    + Difference.allCases.map { "\($0.rawValue) \(explained[$0] ?? 0)" }.joined(separator: ", "))
            #expect(unexplained.isEmpty, "seed \(seed), \(unexplained.count): \(unexplained.prefix(20).joined(separator: "\n"))")
            #expect(truncated > count / 50)
            for reason in Difference.allCases { #expect(explained[reason] ?? 0 > 0, "\(reason.rawValue) was not met") }
        }
    }
}
