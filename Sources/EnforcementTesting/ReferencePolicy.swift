import DomainNames
import NetworkTypes
import PolicyModel

/// Policy worked out slowly and plainly from the resources: what `PolicyEngine` is tested against.
///
/// Written from the documented semantics (docs.tigera.io, "Get started with tiered network policy", NetworkPolicy, Profile,
/// HostEndpoint; docs/policy.md for what is Exeat's own), as loops over lists. It shares no code with the engine and takes from the
/// model only its values: selectors, label inheritance, prefixes, patterns and the order of policies are worked out here again.
public struct ReferencePolicy {
    public let resources: ResourceSet
    public let vocabulary: ReferenceVocabulary
    let unselectedAllowed: Bool
    let exclusiveByDefault: Bool

    let endpoints: [ReferenceEntity]
    let sets: [ReferenceEntity]
    private var programs: [String: ReferenceProgram] = [:]
    private var stagedPrograms: [String: ReferenceProgram] = [:]

    public init(
        _ resources: ResourceSet, vocabulary: ReferenceVocabulary = ReferenceVocabulary(), unselectedAllowed: Bool = true,
        exclusiveByDefault: Bool = false
    ) {
        self.resources = resources
        self.vocabulary = vocabulary
        self.unselectedAllowed = unselectedAllowed
        self.exclusiveByDefault = exclusiveByDefault
        endpoints =
            resources.endpoints.map { ReferenceEntity($0, in: resources) }
            + resources.hostEndpoints.map { ReferenceEntity($0, in: resources) }
        sets = resources.networkSets.map { ReferenceEntity($0, in: resources) }
        let profiles = Dictionary(
            resources.endpoints.map { ($0.identity, $0.profiles) } + resources.hostEndpoints.map { ($0.identity, $0.profiles) },
            uniquingKeysWith: { first, _ in first })
        let enforced = resources.policies.filter { $0.stagedAction == nil }
        let enforcedRules = writtenOut(enforced)
        for endpoint in endpoints {
            programs[endpoint.identity] = program(endpoint, profiles: profiles[endpoint.identity] ?? [], enforcedRules)
        }
        stagedPrograms = programs
        guard enforced.count < resources.policies.count else { return }
        let stagedRules = writtenOut(stagedPolicies)
        for endpoint in endpoints {
            stagedPrograms[endpoint.identity] = program(endpoint, profiles: profiles[endpoint.identity] ?? [], stagedRules)
        }
    }

    /// The decision for a flow of an endpoint that holds the destination under the names `held`. Nil: there is no such endpoint.
    public func decide(_ identity: String, _ flow: ReferenceFlow, held: [DomainName]) -> ReferenceDecision? {
        programs[identity].map { decide($0, flow, held) }
    }

    /// As `decide`, had every staged policy been enforced.
    public func decideStaged(_ identity: String, _ flow: ReferenceFlow, held: [DomainName]) -> ReferenceDecision? {
        stagedPrograms[identity].map { decide($0, flow, held) }
    }

    private func decide(_ program: ReferenceProgram, _ flow: ReferenceFlow, _ held: [DomainName]) -> ReferenceDecision {
        if program.isHost, isFailsafe(flow) { return ReferenceDecision(.failsafe) }
        if !program.isHost, isEncapsulated(flow) { return ReferenceDecision(.encapsulation) }
        var decision = ReferenceDecision(.noPolicy)
        for rule in program.builtIn {
            if take(rule, flow, held, &decision) { return decision.because(.exclusiveName) }
        }
        nextTier: for stage in program.stages {
            for rule in stage.rules where take(rule, flow, held, &decision) {
                switch rule.rule.action {
                case .allow: return decision.because(.policyAllow)
                case .deny: return decision.because(rule.isImplied ? .exclusiveName : .policyDeny)
                case .pass:
                    decision.passes += 1
                    continue nextTier
                case .log: decision.loggedRules += 1
                }
            }
            if !stage.counts {
                decision.uncountedTiers += 1
                continue
            }
            switch stage.tier.defaultAction {
            case .deny:
                decision.forgetRule()
                decision.tier = stage.tier.name
                return decision.because(tierDenyReason(program, flow, held))
            case .pass: decision.defaultPasses += 1
            }
        }
        if program.namesProfile {
            walk: for rule in program.profileRules where take(rule, flow, held, &decision) {
                switch rule.rule.action {
                case .allow: return decision.because(.profileAllow)
                case .deny: return decision.because(.profileDeny)
                case .pass: break walk
                case .log: decision.loggedRules += 1
                }
            }
            decision.forgetRule()
            return decision.because(.profileDeny)
        }
        decision.forgetRule()
        // A host without a profile is closed but for its failsafe ports; for a workload the configuration stands for its namespace's.
        return decision.because(!program.isHost && unselectedAllowed ? .noPolicy : .noPolicyDeny)
    }

    /// Whether the rule matches; if so it is written down as the one that decides.
    private func take(_ rule: ReferenceRule, _ flow: ReferenceFlow, _ held: [DomainName], _ decision: inout ReferenceDecision) -> Bool {
        switch rule.outcome(flow, held, vocabulary) {
        case .missed(let fields):
            decision.missed.formUnion(fields)
            return false
        case .matched(let byAddress, let patterns):
            decision.tier = rule.tier
            decision.policy = rule.policy
            decision.rule = rule.index
            decision.matchedByAddress = byAddress
            decision.patterns = patterns
            decision.fields = rule.fields
            return true
        }
    }

    /// A tier's Deny, or more exactly that a name is what was lacking: some rule names destinations for flows of this family, protocol
    /// and port.
    private func tierDenyReason(_ program: ReferenceProgram, _ flow: ReferenceFlow, _ held: [DomainName]) -> ReferenceReason {
        for rule in program.allRules where !rule.isImplied && rule.wantsName(flow) {
            return held.isEmpty ? .addressNotResolved : .nameNotAllowed
        }
        return .tierDefaultDeny
    }

    /// Ports of a host that policy can never close (FelixConfiguration, failsafeOutboundHostPorts).
    private func isFailsafe(_ flow: ReferenceFlow) -> Bool {
        let own = resources.felixConfigurations.lazy.compactMap(\.failsafeOutboundHostPorts).first
        for port in own ?? FelixConfiguration.defaultFailsafeOutbound {
            guard port.protocol == flow.transport, port.port == flow.destinationPort else { continue }
            if let net = port.net, !ReferenceEntity.isInside(flow.destination, net) { continue }
            return true
        }
        return false
    }

    /// VXLAN and IPIP out of a workload.
    private func isEncapsulated(_ flow: ReferenceFlow) -> Bool {
        if flow.transport.rawValue == 4 { return true }
        let port = resources.felixConfigurations.lazy.compactMap(\.vxlanPort).first ?? 4_789
        return flow.transport == .udp && flow.destinationPort == port
    }

    /// Whether a lookup of the name is answered for the endpoint: the first rule that names it and counts says. An Allow counts whatever
    /// else it asks for; a Deny if it asks for nothing else; a Pass leaves the tier if it asks for nothing else, and is as good as an
    /// Allow if it does. Nil: there is no such endpoint.
    public func answersLookup(_ identity: String, of name: DomainName) -> Bool? {
        guard let program = programs[identity] else { return nil }
        for rules in [program.builtIn] + program.stages.map(\.rules) + [program.profileRules] {
            walk: for rule in rules where rule.isNamed(name, vocabulary) {
                switch rule.rule.action {
                case .allow: return true
                case .deny: if rule.isWholly(about: name, vocabulary) { return false }
                case .pass:
                    if !rule.isWholly(about: name, vocabulary) { return true }
                    break walk
                case .log: break
                }
            }
        }
        guard program.queryPolicies.contains(.allowed), !canReachAnyAddress(program) else { return true }
        return couldAllow(identity, name) || program.queryNames.contains { vocabulary.matches($0.pattern, name) }
    }

    /// Whether a flow to an address that no rule tells anything of could be allowed.
    private func canReachAnyAddress(_ program: ReferenceProgram) -> Bool {
        enum Way { case allowed, denied, onward }
        func way(through rules: [ReferenceRule]) -> (way: Way, mayPass: Bool) {
            var mayPass = false
            for rule in rules where !rule.isImplied && !rule.asksForAddress {
                switch rule.rule.action {
                case .allow: if !rule.isForDNSAlone { return (.allowed, mayPass) }
                case .deny: if rule.asksForNothing { return (.denied, mayPass) }
                case .pass:
                    mayPass = true
                    if rule.asksForNothing { return (.onward, true) }
                case .log: break
                }
            }
            return (.onward, mayPass)
        }
        for stage in program.stages {
            let (way, mayPass) = way(through: stage.rules)
            if way == .allowed { return true }
            if mayPass { continue }
            if way == .denied || (stage.counts && stage.tier.defaultAction == .deny) { return false }
        }
        let atProfiles = way(through: program.profileRules)
        if atProfiles.way != .onward { return atProfiles.way == .allowed }
        return !program.namesProfile && !program.isHost && unselectedAllowed
    }

    /// Whether some rule that allows or passes names it.
    public func couldAllow(_ identity: String, _ name: DomainName) -> Bool {
        guard let program = programs[identity] else { return false }
        return program.allRules.contains { ($0.rule.action == .allow || $0.rule.action == .pass) && $0.isNamed(name, vocabulary) }
    }

}

extension ReferenceDecision {
    fileprivate func because(_ reason: ReferenceReason) -> ReferenceDecision {
        var result = self
        result.reason = reason
        return result
    }

    fileprivate mutating func forgetRule() {
        (tier, policy, rule, matchedByAddress, patterns, fields) = ("", "", nil, true, [], [])
    }
}
