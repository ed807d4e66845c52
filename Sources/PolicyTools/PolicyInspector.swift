import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel

/// Compiled policy that answers single questions: what `explain`, `test` and `diff` have in common. For people; not for packets.
///
/// A name is answered as if the endpoint had just resolved it to an address that no rule lists under nets; an address as if the endpoint
/// had resolved no name to it but those that the question says.
public struct PolicyInspector: Sendable {
    public let policy: CompiledPolicy
    public let direction: PolicyType
    private let places: [String: Int]
    /// For ingress to host endpoints.
    private let failsafes: [FelixConfiguration.FailsafePort]
    /// Addresses that no rule lists.
    private let elsewhere: (v4: IPAddress, v6: IPAddress)

    /// A port that no question asks about: of the end that opened the flow.
    private static let ephemeralPort: UInt16 = 40_000

    public init(_ resources: ResourceSet, options: PolicyOptions = PolicyOptions(), direction: PolicyType = .egress) {
        self.init(resources, options: options, direction: direction, elsewhere: UnlistedAddresses(resources).first)
    }

    init(
        _ resources: ResourceSet, options: PolicyOptions, direction: PolicyType = .egress, elsewhere: (v4: IPAddress, v6: IPAddress)
    ) {
        self.elsewhere = elsewhere
        self.direction = direction
        var compiler = PolicyCompiler(options)
        var next: UInt32 = 0
        policy = compiler.compile(resources.withTrustedServersOfServices()) { _ in
            defer { next += 1 }
            return EndpointID(rawValue: next)
        }
        var places: [String: Int] = [:]
        for (place, endpoint) in policy.endpoints.enumerated() {
            places[endpoint.identity] = place
            if !endpoint.isHost { places["\(endpoint.namespace)/\(endpoint.name)"] = place }
        }
        self.places = places
        failsafes =
            direction == .egress
            ? [] : resources.felix(ofNode: options.node).failsafeInboundHostPorts ?? FelixConfiguration.defaultFailsafeInbound
    }

    /// The place of an endpoint, by `NAMESPACE/NAME` or another identity.
    public func place(of text: String) throws(PolicyToolError) -> Int {
        if let place = places[text] { return place }
        let known = policy.endpoints.map(\.identity).sorted()
        let shown = known.prefix(20).joined(separator: ", ") + (known.count > 20 ? " and \(known.count - 20) more" : "")
        throw PolicyToolError("there is no endpoint \(text)", hint: known.isEmpty ? "no file holds an endpoint" : "known: \(shown)")
    }

    /// Decides one flow and tells how.
    public func answer(_ question: FlowQuestion) throws(PolicyToolError) -> FlowAnswer {
        let asked = try flow(question)
        let names = asked.names.map { name in
            var numbers: [PatternNumber] = []
            policy.appendPatterns(matching: name, to: &numbers)
            return FlowAnswer.Name(
                name: name, patterns: numbers.compactMap(policy.pattern).sorted { $0.description < $1.description },
                refusal: refusal(question.endpoint, name, numbers))
        }
        guard direction == .egress else { return ingress(question.endpoint, asked.flow) }
        let (decision, lines) = policy.explain(endpoint: question.endpoint, asked.flow, bindings: asked.bindings)
        var trace = names.map(Self.queryLine) + lines.map(\.description)
        var verdict = verdict(decision)
        if case .name = question.peer, let refusal = names.first?.refusal {
            verdict = refusal
            trace.append("the query is refused, so no address is learned; a flow to the address would be decided as above")
        }
        let staged = policy.evaluateStaged(endpoint: question.endpoint, asked.flow, bindings: asked.bindings).map { self.verdict($0) }
        return FlowAnswer(
            verdict: verdict, staged: staged, pattern: policy.pattern(decision.pattern),
            nameCheck: verdict.isAllowed ? decision.nameCheck : .off, names: names, flow: asked.flow, trace: trace)
    }

    /// Ingress is not enforced: names, staged policies and bindings do not bear on it.
    private func ingress(_ place: Int, _ flow: FlowTuple) -> FlowAnswer {
        if let failsafe = failsafe(place, flow) {
            return FlowAnswer(
                verdict: FlowAnswer.Verdict(reason: .failsafe, rule: nil), staged: nil, pattern: nil, nameCheck: .off, names: [],
                flow: flow,
                trace: ["failsafe ports: \(failsafe)"])
        }
        let (_, reason, rule, lines) = policy.explainIngress(endpoint: place, flow)
        return FlowAnswer(
            verdict: FlowAnswer.Verdict(reason: reason, rule: rule), staged: nil, pattern: nil, nameCheck: .off, names: [], flow: flow,
            trace: lines.map(\.description))
    }

    /// The verdict of `answer` alone: cheap.
    public func verdict(_ question: FlowQuestion) throws(PolicyToolError) -> FlowAnswer.Verdict {
        let asked = try flow(question)
        guard direction == .egress else { return ingress(question.endpoint, asked.flow).verdict }
        if case .name = question.peer, let name = asked.names.first {
            var numbers: [PatternNumber] = []
            policy.appendPatterns(matching: name, to: &numbers)
            if let refusal = refusal(question.endpoint, name, numbers) { return refusal }
        }
        return verdict(policy.evaluate(endpoint: question.endpoint, asked.flow, bindings: asked.bindings))
    }

    // MARK: The flow

    private struct Asked {
        var flow: FlowTuple
        var names: [DomainName]
        var bindings: AssumedBindings
    }

    private func flow(_ question: FlowQuestion) throws(PolicyToolError) -> Asked {
        let endpoint = policy.endpoints[question.endpoint]
        let transport = question.transport
        if question.port != nil, !transport.hasPorts { throw PolicyToolError("\(transport) has no ports") }
        if question.icmp.type != nil, transport != .icmp, transport != .icmpv6 {
            throw PolicyToolError("\(transport) has no ICMP type", hint: "--protocol icmp or icmpv6")
        }
        let (address, names) = try resolve(question, endpoint)
        // Processes send from whatever address the node has.
        let anywhere = endpoint.processes == nil ? nil : address.family == .v4 ? IPAddress(v4: 0) : IPAddress(v6Upper: 0, lower: 0)
        guard let own = endpoint.addresses.first(where: { $0.family == address.family }) ?? endpoint.addresses.first ?? anywhere else {
            throw PolicyToolError("the endpoint \(endpoint.identity) has no address", hint: "a HostEndpoint needs expectedIPs here")
        }
        let isEgress = direction == .egress
        let flow = FlowTuple(
            source: isEgress ? own : address, destination: isEgress ? address : own, transport: transport,
            sourcePort: transport.hasPorts ? Self.ephemeralPort : 0, destinationPort: transport.hasPorts ? question.port ?? 443 : 0,
            icmpType: question.icmp.type ?? 0, icmpCode: question.icmp.code ?? 0)
        guard direction == .egress, !names.isEmpty else { return Asked(flow: flow, names: [], bindings: .none) }
        var numbers: [PatternNumber] = []
        for name in names { policy.appendPatterns(matching: name, to: &numbers) }
        let held = [anyName] + Set(numbers).subtracting([anyName]).sorted()
        return Asked(flow: flow, names: names, bindings: AssumedBindings(address: address, patterns: held))
    }

    private func resolve(
        _ question: FlowQuestion, _ endpoint: CompiledEndpoint
    ) throws(PolicyToolError) -> (address: IPAddress, names: [DomainName]) {
        if direction == .ingress, !question.resolved.isEmpty {
            throw PolicyToolError("names do not bear on ingress", hint: "leave out what was resolved")
        }
        switch question.peer {
        case .address(let address): return (address, question.resolved)
        case .name(let name):
            guard direction == .egress else {
                throw PolicyToolError("who opens a flow is told by address", hint: "give an address or an endpoint")
            }
            guard question.resolved.isEmpty else {
                throw PolicyToolError("resolved names go with an address", hint: "a name as destination is resolved by itself")
            }
            return (endpoint.addresses.first?.family == .v6 ? elsewhere.v6 : elsewhere.v4, [name])
        case .endpoint(let text):
            let other = policy.endpoints[try place(of: text)]
            let family = endpoint.addresses.first?.family
            guard let address = other.addresses.first(where: { $0.family == family }) ?? other.addresses.first else {
                throw PolicyToolError("the endpoint \(text) has no address")
            }
            return (address, question.resolved)
        }
    }

    /// The failsafe port for ingress that a flow is for.
    private func failsafe(_ place: Int, _ flow: FlowTuple) -> String? {
        guard policy.endpoints[place].isHost else { return nil }
        let found = failsafes.first {
            $0.protocol == flow.transport && $0.port == flow.destinationPort && ($0.net?.contains(flow.source) ?? true)
        }
        return found.map { "\($0.protocol) \($0.port) is always open" }
    }

    // MARK: Words

    private func refusal(_ place: Int, _ name: DomainName, _ numbers: [PatternNumber]) -> FlowAnswer.Verdict? {
        guard policy.deniesNames,
            case .refused(let rule, let reason) = policy.nameDecision(endpoint: place, name: name, patterns: numbers)
        else {
            return nil
        }
        return FlowAnswer.Verdict(reason: reason, rule: description(ofRule: rule))
    }

    private func verdict(_ decision: PolicyDecision) -> FlowAnswer.Verdict {
        FlowAnswer.Verdict(reason: decision.reason, rule: description(ofRule: decision.rule))
    }

    private func description(ofRule rule: UInt32) -> RuleDescription? {
        rule == PolicyDecision.noRule ? nil : policy.description(ofRule: rule)
    }

    private static func queryLine(_ name: FlowAnswer.Name) -> String {
        let patterns =
            name.patterns.isEmpty
            ? "no pattern matches it" : "matched by " + name.patterns.map(\.description).joined(separator: ", ")
        guard let refusal = name.refusal else { return "query for \(name.name): answered; \(patterns)" }
        return "query for \(name.name): refused by \(refusal.rule?.description ?? refusal.reason.label); \(patterns)"
    }
}
