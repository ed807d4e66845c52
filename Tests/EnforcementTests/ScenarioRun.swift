import Enforcement
import NetworkTypes
import PolicyEngine

/// A scenario file, played through the core of a node.
///
///     # comment
///     limit names_per_client 2             before the policy; also addresses_per_name, bindings_per_client
///     policy <<yaml                        the first policy; the endpoints are web, db and job (see TestPolicy)
///     ...
///     yaml
///     at 0s web resolves api.example.org 192.0.2.10 2001:db8::1 ttl 20 [-> release | refuse REASON]
///     at 1s web connects 192.0.2.10 tcp 443 -> allow policy_allow     the first packet of a flow
///     at 2s web sends 192.0.2.10 tcp 443 -> kernel                    a later one; "kernel": passes by its mark, unasked
///     at 2s web receives 192.0.2.10 tcp 443 -> reject policy_deny     a later one from the other side
///     at 3s web closes 192.0.2.10 tcp 443
///     at 4s reload <<yaml ... yaml
///     at 5s web relabels job | web leaves | web joins | restart
///     at 6s bindings -> 3 [draining 1]
///
/// Times do not go back; at each one leases end and bindings that drain for no flow go.
final class ScenarioRun {
    struct Unreadable: Error, CustomStringConvertible { let description: String }

    private struct Step {
        let line: Int
        let words: [String]
        let expected: String?
        let text: String
    }

    private let file: String
    private let steps: [Step]
    private let node: TestNode
    private(set) var expectationCount = 0

    init(parsing text: String, file: String) throws {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
        var (limits, policy, steps) = (BindingLimits.small, String?.none, [Step]())
        let count = lines.count
        while let line = lines.popFirst() {
            let number = count - lines.count
            let sides = line.split(separator: "->", maxSplits: 1)
            var words = (sides.first ?? "").split(separator: " ").map(String.init)
            if words.isEmpty || words[0].hasPrefix("#") { continue }
            var block = ""
            if let marker = words.last, marker.hasPrefix("<<") {
                words.removeLast()
                while let next = lines.popFirst(), next != marker.dropFirst(2) { block += next + "\n" }
            }
            switch words[0] {
            case "policy": policy = block
            case "limit" where words.count == 3: try Self.set(&limits, words[1], words[2], "\(file):\(number)")
            case "at":
                let expected = sides.count > 1 ? sides[1].split(separator: " ").joined(separator: " ") : nil
                steps.append(Step(line: number, words: Array(words.dropFirst()), expected: expected, text: block))
            default: throw Unreadable(description: "\(file):\(number): \(line)")
            }
        }
        guard let policy else { throw Unreadable(description: "\(file): no policy") }
        self.file = file
        self.steps = steps
        node = try TestNode(policy, limits: limits)
    }

    private static func set(_ limits: inout BindingLimits, _ name: String, _ value: String, _ place: String) throws {
        guard let number = Int(value) else { throw Unreadable(description: "\(place): \(value)") }
        switch name {
        case "names_per_client": limits.namesPerClient = number
        case "addresses_per_name": limits.addressesPerName = number
        case "bindings_per_client": limits.bindingsPerClient = number
        default: throw Unreadable(description: "\(place): \(name)")
        }
    }

    /// Plays all steps; what went otherwise than written.
    func play() throws -> [String] {
        var mismatches: [String] = []
        let begin = node.now
        for step in steps {
            guard let time = step.words.first, time.hasSuffix("s"), let seconds = Double(time.dropLast()) else {
                throw Unreadable(description: "\(file):\(step.line): time")
            }
            let instant = begin.advanced(byNanoseconds: UInt64(seconds * 1e9))
            guard instant >= node.now else { throw Unreadable(description: "\(file):\(step.line): time goes back") }
            if instant > node.now { node.pass(to: instant) }
            let outcome = try play(step)
            if let expected = step.expected {
                expectationCount += 1
                if outcome != expected { mismatches.append("\(file):\(step.line): \(outcome), expected \(expected)") }
            } else if outcome.hasPrefix("refuse") {
                mismatches.append("\(file):\(step.line): \(outcome)")
            }
        }
        return mismatches
    }

    private func play(_ step: Step) throws -> String {
        let words = step.words.dropFirst().map { $0 }
        switch (words.first ?? "", words.count > 1 ? words[1] : "") {
        case ("reload", _):
            try node.reload(step.text)
            return ""
        case ("restart", _):
            node.restart()
            return ""
        case ("bindings", _):
            let draining = node.gate.names.drainingCount
            return "\(node.gate.names.bindingCount)" + (draining > 0 ? " draining \(draining)" : "")
        case (let client, "relabels") where words.count == 3:
            try node.label(client, app: words[2])
            return ""
        case (let client, "leaves"):
            try node.remove(client)
            return ""
        case (let client, "joins"):
            guard let endpoint = TestPolicy.endpoints.first(where: { $0.name == client }) else { break }
            try node.add(endpoint)
            return ""
        case (let client, "resolves"):
            guard words.count >= 6, words[words.count - 2] == "ttl", let ttl = UInt32(words[words.count - 1]) else { break }
            let addresses = words[3..<(words.count - 2)].compactMap { IPAddress(parsing: $0) }
            guard addresses.count == words.count - 5 else { break }
            return Self.text(try node.resolve(client, words[2], addresses, ttl: ttl))
        case (let client, let verb) where words.count == 5:
            guard let destination = IPAddress(parsing: words[2]), let transport = TransportProtocol(parsing: words[3]),
                let port = UInt16(words[4])
            else { break }
            let flow = try node.flow(client, destination, transport, port)
            switch verb {
            case "connects": return Self.text(node.open(flow))
            case "sends": return node.resume(flow, isReply: false).map { Self.text($0) } ?? "kernel"
            case "receives": return node.resume(flow, isReply: true).map { Self.text($0) } ?? "kernel"
            case "closes":
                node.close(flow)
                return ""
            default: break
            }
        default: break
        }
        throw Unreadable(description: "\(file):\(step.line): \(words.joined(separator: " "))")
    }

    private static func text(_ release: AnswerRelease?) -> String {
        switch release {
        case .release: "release"
        case .refuse(let reason): "refuse \(reason)"
        case nil: "refuse nobody"
        }
    }

    private static func text(_ outcome: (verdict: VerdictEngine.Verdict, record: FlowRecord?)) -> String {
        let reason = outcome.record?.reason.label ?? "unrecorded"
        return switch outcome.verdict {
        case .allow, .lease, .pending, .observe, .checked: "allow \(reason)"
        case .reject: "reject \(reason)"
        case .drop: "drop \(reason)"
        case .revoke: "\(outcome.record?.verdict == .drop ? "drop" : "reject") \(reason)"
        case .hold: "hold"
        }
    }
}
