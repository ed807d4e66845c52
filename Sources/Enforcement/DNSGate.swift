import DomainNames
import NetworkTypes
import PolicyEngine

/// The gate of one DNS worker: clients by their addresses, bindings in the NameTable of the node.
public struct DNSGate: AnswerGate, ~Copyable {
    public let names: SharedNameTable
    private var policy: CompiledPolicy
    private let rebinding: RebindingGuard
    /// Sources beside the endpoints that may ask; nothing is learned for them.
    private let allowedSources: [IPPrefix]
    private var patterns: [PatternNumber] = []
    private var ruleTexts: [UInt32: String] = [:]
    /// Of all gates that share a table one sees to it.
    private let isFirst: Bool

    public init(names: consuming sending NameTable, policy: CompiledPolicy, rebinding: RebindingGuard, allowedSources: [IPPrefix]) {
        self.init(SharedNameTable(names), policy, rebinding, allowedSources, isFirst: true)
    }

    private init(
        _ names: SharedNameTable, _ policy: CompiledPolicy, _ rebinding: RebindingGuard, _ allowedSources: [IPPrefix], isFirst: Bool
    ) {
        self.names = names
        self.policy = policy
        self.rebinding = rebinding
        self.allowedSources = allowedSources
        self.isFirst = isFirst
    }

    /// A gate for one more worker, with the same table. It is told of a new policy by `follow`, after this one by `adopt`.
    public func another() -> DNSGate { DNSGate(names, policy, rebinding, allowedSources, isFirst: false) }

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
        names.count(refusal)
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

    /// Live bindings end only in the sweep of a tick, under a new policy, and when newer addresses of their name need the room.
    public var era: UInt32? { names.era }

    public func name(of redial: Redial, now: Instant) -> DomainName? {
        names.name(ofRecord: Int(redial.record), client: redial.endpoint, address: redial.address, now: now)
    }

    private func refuse(_ reason: AnswerRefusal) -> AnswerRelease {
        names.count(reason)
        return .refuse(reason)
    }

    /// Once a second: a sixteenth of the bindings, at least 4,096, is looked at for expiry.
    public mutating func tick(now: Instant) {
        guard isFirst else { return }
        names.change { $0.sweep(max(4_096, $0.bindingCount / 16), now: now) }
    }

    /// Takes over a new policy, for the table too; see `NameTable.adopt` for the order of steps.
    public mutating func adopt(_ newPolicy: CompiledPolicy) {
        names.change { $0.adopt(newPolicy) }
        follow(newPolicy)
    }

    /// Takes over a new policy that the table has.
    public mutating func follow(_ newPolicy: CompiledPolicy) {
        policy = newPolicy
        ruleTexts.removeAll()
    }

    public func settle() { names.change { $0.settle() } }

    /// See `NameTable.releaseDraining`.
    public func releaseDraining(sweepBegan began: Instant, unless isInUse: (EndpointID, IPAddress) -> Bool) {
        names.change { $0.releaseDraining(sweepBegan: began, unless: isInUse) }
    }
}
