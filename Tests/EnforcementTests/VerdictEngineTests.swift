import Enforcement
import EnforcementTesting
import NetworkTypes
import PacketHeaders
import PolicyEngine
import Testing

struct VerdictEngineTests {
    private static let yaml = """
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: web}
        spec:
          selector: app == "web"
          types: [Egress]
          egress:
            - {action: Deny, destination: {nets: [203.0.113.0/24]}}
            - {action: Allow, destination: {domains: [api.example.org]}}
            - {action: Allow, destination: {nets: ["2001:db8:a::/48"]}}
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: job}
        spec: {selector: app == "job", types: [Egress]}
        """

    private static let opening = VerdictEngine.FlowState(isReply: false, wasAdmitted: false)

    private static func name(_ verdict: VerdictEngine.Verdict) -> String {
        switch verdict {
        case .allow: "allow"
        case .lease: "lease"
        case .reject: "reject"
        case .drop: "drop"
        case .revoke: "revoke"
        case .hold: "hold"
        case .pending: "pending"
        case .observe(_, let isLeased): isLeased ? "observe, lease" : "observe"
        case .checked: "checked"
        }
    }

    @Test(arguments: [
        ("web", "192.0.2.1", "allow", VerdictReason.policyAllow), ("web", "2001:db8:a::1", "allow", .policyAllow),
        ("db", "192.0.2.9", "allow", .noPolicy),
        ("web", "203.0.113.1", "reject", .policyDeny), ("job", "192.0.2.1", "reject", .tierDefaultDeny),
        ("web", "192.0.2.2", "reject", .addressNotResolved),
        ("web", "192.0.2.3", "reject", .nameNotAllowed),
    ])
    func `every decision has its reason in the record and in the counters`(row: (String, String, String, VerdictReason)) throws {
        for (denyAction, refusal) in [(VerdictEngine.DenyAction.reject, "reject"), (.drop, "drop")] {
            let node = try TestNode(Self.yaml, denyAction: denyAction)
            #expect(try node.resolve("web", "api.example.org", [address("192.0.2.1")], ttl: 20) == .release(timeToLiveCapSeconds: 100))
            _ = try node.resolve("web", "www.example.org", [address("192.0.2.3")], ttl: 20)
            let flow = try node.flow(row.0, address(row.1), .tcp, 443)
            let (verdict, record) = node.open(flow)
            #expect(Self.name(verdict) == (row.2 == "reject" ? refusal : row.2))
            let fact = try #require(record)
            #expect(fact.reason == row.3)
            #expect(fact.flow == flow)
            #expect(fact.time == node.now)
            #expect(!fact.isRedecision)
            #expect("\(fact.verdict)" == Self.name(verdict))
            #expect(VerdictReason.allCases.map { node.counters.count(of: $0) } == VerdictReason.allCases.map { $0 == row.3 ? 1 : 0 })
        }
    }

    @Test func `an allowed flow is stamped with the generation of its endpoint and named by what opened it`() throws {
        let node = try TestNode(Self.yaml)
        _ = try node.resolve("web", "api.example.org", [address("192.0.2.1")], ttl: 20)
        let (verdict, record) = node.open(try node.flow("web", address("192.0.2.1"), .tcp, 443))
        #expect(verdict == .allow(generation: 1))
        let fact = try #require(record)
        #expect(node.name(of: fact)?.description == "api.example.org")
        #expect(node.rule(of: fact) == "default|web|egress[1]|Allow")
        #expect(fact.policyVersion == node.counters.policyVersion)
    }

    @Test func `an unselected endpoint is refused where the configuration says so`() throws {
        let node = try TestNode(Self.yaml, unselectedAllowed: false)
        let (verdict, record) = node.open(try node.flow("db", address("192.0.2.1"), .tcp, 443))
        #expect(verdict == .reject)
        #expect(record?.reason == .noPolicyDeny)
    }

    @Test func `a source that is no endpoint is refused`() throws {
        let node = try TestNode(Self.yaml)
        let stranger = FlowTuple(
            source: address("198.51.100.77"), destination: address("192.0.2.1"), transport: .udp, sourcePort: 5, destinationPort: 53)
        let (verdict, record) = node.open(stranger)
        #expect(verdict == .reject)
        #expect(record?.reason == .unknownEndpoint)
        #expect(record?.endpoint == nil)
        #expect(record?.flow == stranger)
        #expect(record?.nameRecord == -1)
    }

    @Test(
        arguments: [
            ([], PacketError.empty), ([0x25, 0, 0, 0], .unknownVersion), ([0x45, 0, 0, 20], .truncatedHeader),
            ([0x60, 0, 0, 0, 0, 8, 6, 64], .truncatedHeader),
            ([0x44, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 198, 51, 100, 1, 192, 0, 2, 1], .badHeaderLength),
            ([0x45, 0, 0, 24, 0, 0, 0, 9, 64, 17, 0, 0, 198, 51, 100, 1, 192, 0, 2, 1, 1, 2, 3, 4], .fragment),
        ] as [([UInt8], PacketError)])
    func `what cannot be parsed is dropped, never answered`(row: (bytes: [UInt8], error: PacketError)) throws {
        let node = try TestNode(Self.yaml, denyAction: .reject)
        let (verdict, record) = node.decide(row.bytes, Self.opening)
        #expect(verdict == .drop)
        #expect(record?.reason == .malformedPacket)
        #expect(record?.detail == row.error.rawValue)
        #expect(record?.endpoint == nil)
        #expect(node.counters.count(of: .malformedPacket) == 1)
        #expect(PacketError.allCases.map { node.counters.count(of: $0) } == PacketError.allCases.map { $0 == row.error ? 1 : 0 })
    }

    @Test func `no bytes whatever make the engine fail, and every packet leaves one record`() throws {
        let node = try TestNode(Self.yaml)
        var random = SeededGenerator(seed: 7)
        let whole = PacketBuilder.packet(try node.flow("web", address("203.0.113.1"), .tcp, 443))
        for _ in 0..<5_000 {
            var bytes = Array(whole.prefix(Int.random(in: 0...whole.count, using: &random)))
            for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let state = VerdictEngine.FlowState(isReply: random.chance(50), wasAdmitted: random.chance(50))
            #expect(node.decide(bytes, state).1 != nil)
        }
        #expect(VerdictReason.allCases.reduce(0) { $0 + node.counters.count(of: $1) } == 5_000)
    }

    @Test func `audit mode refuses nothing and records what it would have done`() throws {
        let node = try TestNode(Self.yaml, mode: .audit, denyAction: .drop)
        for (client, destination, reason) in [
            ("web", "203.0.113.1", VerdictReason.policyDeny), ("job", "192.0.2.1", .tierDefaultDeny),
            ("web", "192.0.2.2", .addressNotResolved),
        ] {
            let (verdict, record) = node.open(try node.flow(client, address(destination), .tcp, 443))
            #expect(verdict == .allow(generation: 1))
            #expect(record?.verdict == .auditDeny)
            #expect(record?.reason == reason)
        }
        let (verdict, record) = node.decide([0], Self.opening)
        #expect(verdict == .allow(generation: 0))
        #expect(record?.verdict == .auditDeny)
        let stranger = FlowTuple(
            source: address("198.51.100.77"), destination: address("192.0.2.1"), transport: .udp, sourcePort: 5, destinationPort: 53)
        #expect(node.open(stranger).verdict == .allow(generation: 0))
    }

    @Test func `a flow that has to give its name is refused, because nobody reads it`() throws {
        let node = try TestNode(
            Self.yaml.replacing("metadata: {name: web}", with: "metadata: {name: web, annotations: {exeat.io/verify-name: require}}"))
        _ = try node.resolve("web", "api.example.org", [address("192.0.2.1")], ttl: 20)
        #expect(node.open(try node.flow("web", address("192.0.2.1"), .tcp, 443)).record?.reason == .nameUnverified)
        // Not on a port without hello, nor by address.
        #expect(node.open(try node.flow("web", address("192.0.2.1"), .tcp, 8_080)).record?.reason == .policyAllow)
        #expect(node.open(try node.flow("web", address("2001:db8:a::1"), .tcp, 443)).record?.reason == .policyAllow)
    }

    @Test func `a reply is judged as the flow that it answers`() throws {
        let node = try TestNode(Self.yaml)
        _ = try node.resolve("web", "api.example.org", [address("192.0.2.1")], ttl: 20)
        let flow = try node.flow("web", address("192.0.2.1"), .tcp, 443)
        let reply = FlowTuple(source: flow.destination, destination: flow.source, transport: .tcp, sourcePort: 443, destinationPort: 40_000)
        let bytes = PacketBuilder.packet(reply, tcpFlags: 0x10)
        let (verdict, record) = node.decide(bytes, VerdictEngine.FlowState(isReply: true, wasAdmitted: true))
        #expect(verdict == .allow(generation: 1))
        #expect(record?.flow == flow)
        #expect(record?.isRedecision == true)
        // The same bytes as the beginning of a flow come from nobody that we know.
        #expect(node.decide(bytes, Self.opening).1?.reason == .unknownEndpoint)
    }

    @Test func `a live flow is decided again under the name that it was admitted under, a new one is not`() throws {
        let node = try TestNode(Self.yaml)
        _ = try node.resolve("web", "api.example.org", [address("192.0.2.1")], ttl: 5)
        let flow = try node.flow("web", address("192.0.2.1"), .tcp, 443)
        #expect(node.open(flow).verdict == .allow(generation: 1))
        node.pass(to: node.now.advanced(bySeconds: 3_600))
        #expect(node.gate.names.drainingCount == 1)
        #expect(node.resume(flow, isReply: false) == nil)
        try node.reload(Self.yaml.replacing("[api.example.org]", with: "[api.example.org, www.example.org]"))
        let again = try #require(node.resume(flow, isReply: true))
        #expect(again.verdict == .allow(generation: 2))
        #expect(again.record?.isRedecision == true)
        #expect(again.record.flatMap { node.name(of: $0)?.description } == "api.example.org")
        let other = try node.flow("web", address("192.0.2.1"), .udp, 443)
        #expect(node.open(other).record?.reason == .addressNotResolved)
        // With the last flow the name goes.
        node.close(flow)
        node.pass(to: node.now.advanced(bySeconds: 1))
        #expect(node.gate.names.bindingCount == 0)
    }

    @Test(arguments: [VerdictEngine.DenyAction.reject, .drop])
    func `a flow that was admitted and is refused now is revoked, and of TCP its ends are to be told`(
        denyAction: VerdictEngine.DenyAction
    ) throws {
        var compiler = PolicyCompiler()
        let policy = try TestPolicy.compile(Self.yaml, &compiler)
        let resets = Ring<FlowReset>(capacity: 4, filler: .filler)
        let counters = VerdictCounters()
        for mode in VerdictEngine.Mode.allCases {
            var engine = VerdictEngine(
                policy: Published(policy), table: AddressTable(slots: 1_024, seed: (1, 2)),
                facts: Ring<FlowRecord>(capacity: 16, filler: .filler), counters: counters, mode: mode, denyAction: denyAction,
                resets: resets)
            engine.beginBatch(now: Instant(seconds: 0))
            for (transport, isReply, wasAdmitted, isReset) in [
                (TransportProtocol.tcp, false, true, true), (.tcp, true, true, true), (.udp, false, true, false),
                (.tcp, false, false, false),
                (.tcp, true, false, false),
            ] {
                let (pod, far) = (address("198.51.100.1"), address("203.0.113.1"))
                let flow = FlowTuple(
                    source: isReply ? far : pod, destination: isReply ? pod : far, transport: transport, sourcePort: 7, destinationPort: 9)
                let verdict = engine.decide(
                    PacketBuilder.packet(flow, tcpFlags: 0x10).span, .init(isReply: isReply, wasAdmitted: wasAdmitted))
                let reset = resets.popFirst()
                guard mode == .enforce else {
                    #expect(verdict == .allow(generation: 0) && reset == nil)
                    continue
                }
                #expect(verdict == (wasAdmitted ? .revoke : denyAction == .drop ? .drop : .reject))
                #expect((reset != nil) == isReset)
                guard let reset else { continue }
                #expect(reset.source == flow.source && reset.destinationPort == 9 && reset.sequence == 1)
                #expect(reset.isReply == isReply && reset.resetsSender == (denyAction == .drop))
            }
            // What cannot be parsed says nothing of its flow.
            let malformed = engine.decide([UInt8]([0x45]).span, .init(isReply: false, wasAdmitted: true))
            #expect(malformed == (mode == .audit ? .allow(generation: 0) : .drop))
        }
        #expect(counters.revocations == 3)
    }

    @Test func `facts that find the ring full are lost, verdicts are not`() throws {
        var compiler = PolicyCompiler()
        let policy = try TestPolicy.compile(Self.yaml, &compiler)
        let facts = Ring<FlowRecord>(capacity: 2, filler: .filler)
        var engine = VerdictEngine(
            policy: Published(policy), table: AddressTable(slots: 1_024, seed: (1, 2)), facts: facts, counters: VerdictCounters(),
            mode: .enforce, denyAction: .drop)
        engine.beginBatch(now: Instant(seconds: 0))
        let bytes = PacketBuilder.packet(
            FlowTuple(
                source: address("198.51.100.2"), destination: address("192.0.2.1"), transport: .tcp, sourcePort: 1, destinationPort: 2))
        for _ in 0..<5 { #expect(engine.decide(bytes.span, Self.opening) == .allow(generation: 0)) }
        #expect(facts.droppedCount == 3)
    }
}
