import DomainNames
import NetworkTypes
import PolicyEngine

/// The gate of the node: clients by their addresses, bindings in the NameTable.
public struct DNSGate: AnswerGate, ~Copyable {
    public private(set) var names: NameTable
    private var policy: CompiledPolicy
    private let rebinding: RebindingGuard
    /// Sources beside the endpoints that may ask; nothing is learned for them.
    private let allowedSources: [IPPrefix]
    private var patterns: [PatternNumber] = []
    private var ruleTexts: [UInt32: String] = [:]
    public private(set) var refusals = [UInt64](repeating: 0, count: AnswerRefusal.allCases.count)

    public init(names: consuming NameTable, policy: CompiledPolicy, rebinding: RebindingGuard, allowedSources: [IPPrefix]) {
        self.names = names
        self.policy = policy
        self.rebinding = rebinding
        self.allowedSources = allowedSources
    }

    public mutating func client(at source: IPAddress) -> DNSClient? {
        let source = source.mappedV4 ?? source
        if let position = policy.endpointIndex(of: source) { return .endpoint(policy.endpoints[position].id) }
        return allowedSources.contains { $0.contains(source) } ? .unpoliced : nil
    }

    public mutating func client(at source: IPAddress, ofClass number: UInt8) -> DNSClient? {
        guard number != 0 else { return client(at: source) }
        return policy.endpointIndex(ofClass: number).map { .endpoint(policy.endpoints[$0].id) }
    }

    public var refusesNames: Bool { policy.deniesNames }

    public mutating func refusal(of name: DomainName, client: DNSClient) -> NameRefusal? {
        guard case .endpoint(let id) = client, let position = policy.position(of: id) else { return nil }
        patterns.removeAll(keepingCapacity: true)
        policy.appendPatterns(matching: name, to: &patterns)
        guard case .refused(let rule, let reason) = policy.nameDecision(endpoint: position, name: name, patterns: patterns) else {
            return nil
        }
        let refusal: AnswerRefusal
        switch reason {
        case .exclusiveName: refusal = .exclusiveName
        case .nameNotAllowed: refusal = .notAllowedName
        default: refusal = .deniedName
        }
        refusals[Int(refusal.rawValue)] += 1
        return NameRefusal(refusal, rule: text(ofRule: rule))
    }

    /// Made once for each rule and policy: whoever is refused asks often.
    private mutating func text(ofRule rule: UInt32) -> String? {
        guard rule != PolicyDecision.noRule else { return nil }
        if let known = ruleTexts[rule] { return known }
        let text = policy.description(ofRule: rule)?.description
        ruleTexts[rule] = text
        return text
    }

    public mutating func learn(
        _ name: DomainName, addresses: [IPAddress], timeToLiveSeconds: UInt32, client: DNSClient, now: Instant
    ) -> AnswerRelease {
        // Whoever is not policed learns nothing and is not guarded.
        if case .endpoint = client, rebinding.refuses(name, addresses) { return refuse(.rebinding) }
        return learnLocal(name, addresses: addresses, timeToLiveSeconds: timeToLiveSeconds, client: client, now: now)
    }

    /// Without the rebinding guard: whoever configures the node may name what is inside.
    public mutating func learnLocal(
        _ name: DomainName, addresses: [IPAddress], timeToLiveSeconds: UInt32, client: DNSClient, now: Instant
    ) -> AnswerRelease {
        let cap = names.limits.ceilingSeconds
        guard case .endpoint(let endpoint) = client else { return .release(timeToLiveCapSeconds: cap) }
        switch names.learn(name, addresses, timeToLiveSeconds: timeToLiveSeconds, client: endpoint, now: now) {
        case .success: return .release(timeToLiveCapSeconds: cap)
        case .failure(.addressesPerName): return refuse(.addressesPerNameFull)
        case .failure(.namesPerClient): return refuse(.namesPerClientFull)
        case .failure(.bindings), .failure(.bindingsPerClient): return refuse(.bindingsFull)
        case .failure(.unknownClient): return refuse(.unknownClient)
        }
    }

    public var withdrawals: UInt64 { names.counters.evicted }

    public func name(of redial: Redial, now: Instant) -> DomainName? {
        names.name(ofRecord: Int(redial.record), client: redial.endpoint, address: redial.address, now: now)
    }

    private mutating func refuse(_ reason: AnswerRefusal) -> AnswerRelease {
        refusals[Int(reason.rawValue)] += 1
        return .refuse(reason)
    }

    /// Once a second: a sixteenth of the bindings, at least 4,096, is looked at for expiry.
    public mutating func tick(now: Instant) {
        names.sweep(max(4_096, names.bindingCount / 16), now: now)
    }

    /// Takes over a new policy; see `NameTable.adopt` for the order of steps.
    public mutating func adopt(_ newPolicy: CompiledPolicy) {
        policy = newPolicy
        ruleTexts.removeAll()
        names.adopt(newPolicy)
    }

    public mutating func settle() { names.settle() }

    /// See `NameTable.releaseDraining`.
    public mutating func releaseDraining(sweepBegan began: Instant, unless isInUse: (EndpointID, IPAddress) -> Bool) {
        names.releaseDraining(sweepBegan: began, unless: isInUse)
    }
}
