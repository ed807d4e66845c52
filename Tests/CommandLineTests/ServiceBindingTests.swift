import DemoNetwork
import Foundation
import Testing

extension CommandLineTests {
    /// HTTPS records through the real daemon.
    @Suite(.serialized) struct ServiceBindingTests {
        private static let hint: [UInt8] = [0, 4, 0, 4]
        private static let sealed: [UInt8] = [0, 5, 0, 4, 0xfe, 0x0d, 0x5e, 0x41]
        private static let foreign: [UInt8] = [203, 0, 113, 66]

        /// By the second label: hints outside, hints inside.
        @Sendable private static func answer(_ question: UpstreamQuestion) -> [LyingUpstream.Reply] {
            guard question.type == 65 else { return [.init(bytes: question.reply().bytes)] }
            let address: [UInt8] = question.label(1) == "inside" ? [10, 1, 2, 3] : Lie.trueAddress
            let own = [0, 1, 0] + hint + address + sealed
            let other = [0, 2] + WireMessage.name("edge.example.net") + hint + foreign
            return [.init(bytes: question.reply().adding(65, own).adding(65, other).bytes)]
        }

        @Test func `a hint opens its address for the client that was given it; a private one is refused, another name's is gone`() throws {
            let lab = try DaemonLab(answer: Self.answer)
            defer { lab.stop() }
            #expect(try lab.connect(to: Lie.trueAddress) == .refused(errno: ECONNREFUSED))
            let replies = try lab.ask(
                [WireMessage.name("n0.true.lies.example.org"), WireMessage.name("n0.inside.lies.example.org")], type: 65)
            let good = try #require(replies[0])
            #expect(good[3] & 0x0f == 0 && good[6...7] == [0, 2])
            func contains(_ bytes: [UInt8]) -> Bool { good.indices.contains { good[$0...].starts(with: bytes) } }
            #expect(contains(Self.hint + Lie.trueAddress))
            #expect(!contains(Self.foreign) && !contains(Self.sealed))
            let refused = try #require(replies[1])
            #expect(refused[3] & 0x0f == 5 && refused[6...7] == [0, 0])
            #expect(try Array(lab.bindings().keys) == ["n0.true.lies.example.org"])
            #expect(try lab.connect(to: Lie.trueAddress) == .answered)
            #expect(try lab.connect(to: Self.foreign) == .refused(errno: ECONNREFUSED))
            let metrics = try lab.metrics()
            #expect(metrics["exeat_dns_service_parameters_stripped_total{parameter=\"ech\"}"] == 2)
            #expect(metrics["exeat_dns_service_parameters_stripped_total{parameter=\"hints\"}"] == 2)
            #expect(metrics["exeat_dns_refused_total{reason=\"rebinding\"}"] == 1)
            #expect(metrics["exeat_verdicts_total{reason=\"policy_allow\"}"] == 1)
        }
    }
}
