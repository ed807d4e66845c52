import NetworkTypes
import PolicyEngine
import PolicyModel

/// One set of resources, asked for what bears on an endpoint.
struct DiffDestinations {
    private struct Source {
        let selector: Selector
        let rules: [PolicyRule]
        let namespace: String?
    }

    private let policies: [Source]
    private let profiles: [String: Profile]
    private let resources: ResourceSet
    /// By effective labels: endpoints first, then network sets.
    private let subjects: LabelledSubjects
    /// What every endpoint is asked about: exclusive names, other endpoints, what nothing lists.
    private let common: DiffQuestions
    private let failsafes: [FelixConfiguration.FailsafePort]

    init(_ resources: ResourceSet, node: String?, elsewhere: (v4: IPAddress, v6: IPAddress)) {
        self.resources = resources
        failsafes = resources.felix(ofNode: node).failsafeOutboundHostPorts ?? FelixConfiguration.defaultFailsafeOutbound
        let context = LabelContext(resources)
        policies = resources.policies.filter { $0.types.contains(.egress) && $0.stagedAction == nil }.map {
            Source(selector: $0.effectiveSelector, rules: $0.egress, namespace: $0.namespace)
        }
        profiles = Dictionary(resources.profiles.map { ($0.name, $0) }) { first, _ in first }
        subjects = LabelledSubjects(
            resources.endpoints.map(context.labels(of:)) + resources.hostEndpoints.map(context.labels(of:))
                + resources.networkSets.map(context.labels(of:)))
        var common = DiffQuestions()
        common.elsewhere = [elsewhere.v4, elsewhere.v6]
        for policy in resources.policies where policy.isExclusive && policy.stagedAction == nil {
            for rule in policy.egress where rule.action == .allow {
                common.patterns.formUnion(rule.destination.domains + rule.destination.urls.map(\.pattern))
            }
        }
        for set in resources.networkSets where set.isExclusive {
            common.patterns.formUnion(set.allowedEgressDomains + set.allowedEgressURLs.map(\.pattern))
        }
        for endpoint in resources.endpoints {
            for address in endpoint.addresses { common.addresses[address] = "\(endpoint.namespace)/\(endpoint.name)" }
        }
        for host in resources.hostEndpoints {
            for address in host.expectedIPs { common.addresses[address] = host.identity }
        }
        self.common = common
    }

    func collect(for endpoint: CompiledEndpoint) -> DiffQuestions {
        var questions = common
        for policy in policies where policy.selector.matches(endpoint.effectiveLabels) {
            for rule in policy.rules { add(rule, policy.namespace, to: &questions) }
        }
        for name in endpoint.profiles {
            for rule in profiles[name]?.egress ?? [] { add(rule, nil, to: &questions) }
        }
        if endpoint.isHost {
            for failsafe in failsafes {
                questions.ports[failsafe.protocol, default: []].insert(failsafe.port)
                if let net = failsafe.net { questions.nets.insert(net) }
            }
        }
        return questions
    }

    private func add(_ rule: PolicyRule, _ namespace: String?, to questions: inout DiffQuestions) {
        let destination = rule.destination
        questions.add(rule, destination)
        for selector in [destination.effectiveSelector(policyNamespace: namespace), destination.notSelector].compactMap({ $0 }) {
            addSets(selector, to: &questions)
        }
        for case .named(let name) in destination.ports + destination.notPorts {
            for port in (resources.endpoints.flatMap(\.ports) + resources.hostEndpoints.flatMap(\.ports)) where port.name == name {
                questions.ports[port.protocol, default: []].insert(port.port)
            }
        }
        if let service = destination.services {
            let wanted = service.namespace ?? namespace ?? "default"
            for slice in resources.serviceEndpoints where slice.service == service.name && slice.namespace == wanted {
                for address in slice.addresses {
                    questions.addresses[address] = questions.addresses[address] ?? "\(wanted)/\(service.name)"
                }
                for port in slice.ports { questions.ports[port.protocol, default: []].insert(port.port) }
            }
        }
    }

    private func addSets(_ selector: Selector, to questions: inout DiffQuestions) {
        let first = resources.endpoints.count + resources.hostEndpoints.count
        subjects.matching(selector) { place in
            guard place >= first else { return true }
            let set = resources.networkSets[place - first]
            questions.nets.formUnion(set.nets)
            questions.patterns.formUnion(set.allowedEgressDomains + set.allowedEgressURLs.map(\.pattern))
            if !set.allowedEgressURLs.isEmpty { questions.ports[.tcp, default: []].formUnion(set.allowedEgressURLs.map(\.port)) }
            return true
        }
    }
}
