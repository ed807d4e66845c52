import NetworkTypes

extension ResourceSet {
    /// What must hold between resources.
    func checkReferences(_ references: ResourceReferences, _ problems: inout DiagnosticList) {
        checkTiers(references, &problems)
        checkAddresses(references, &problems)
        checkClasses(references, &problems)
        checkProfiles(references, &problems)
        checkServices(references, &problems)
        checkStaged(references, &problems)
        checkDenials(references, &problems)
    }

    private func checkTiers(_ references: ResourceReferences, _ problems: inout DiagnosticList) {
        // A tier that is there, but with an error of its own, is not reported a second time as unknown.
        let known = Set(tiers.map(\.name)).union(references.declaredTiers).union(Tier.builtInNames)
        for (tier, field) in references.namedTiers where !known.contains(tier) {
            let defined = Set(tiers.map(\.name)).union(references.declaredTiers).sorted()
            field.error(
                "there is no tier \"\(tier)\"",
                hint: NameSuggestion.hint(for: tier, among: known.sorted()) ?? "known tiers: \(defined.joined(separator: ", "))",
                into: &problems)
        }
    }

    /// Flows are attributed to endpoints by address, so an address may belong to one only.
    private func checkAddresses(_ references: ResourceReferences, _ problems: inout DiagnosticList) {
        var owners: [IPAddress: Int] = [:]
        for (index, entry) in references.addresses.enumerated() {
            if let first = owners[entry.address] {
                let owner = references.addresses[first]
                entry.field.error(
                    "the address \(entry.address) already belongs to \(owner.owner)", hint: owner.ownerLocation.map { "at \($0)" },
                    into: &problems)
            } else {
                owners[entry.address] = index
            }
        }
    }

    /// A process of a node belongs to one class at most.
    private func checkClasses(_ references: ResourceReferences, _ problems: inout DiagnosticList) {
        for (index, entry) in references.classes.enumerated() {
            guard let processes = entry.endpoint.processes else { continue }
            let others = references.classes[..<index].filter { $0.endpoint.node == entry.endpoint.node }
            if let other = others.first(where: { $0.endpoint.processes?.overlaps(processes) ?? false }) {
                entry.field.error(
                    "the processes of \(processes.text) belong to the host endpoint \(other.endpoint.name) already",
                    hint: other.endpoint.location.map { "at \($0)" }, into: &problems)
            }
            if others.count == HostEndpoint.classesMax {
                entry.field.error(
                    "is one host endpoint for processes too many: a node can have \(HostEndpoint.classesMax)",
                    into: &problems)
            }
        }
    }

    /// In Calico an endpoint with an unknown profile is cut off; here the load fails.
    private func checkProfiles(_ references: ResourceReferences, _ problems: inout DiagnosticList) {
        let known = Set(profiles.map(\.name)).union(references.declaredProfiles)
        for (profile, field) in references.namedProfiles where !known.contains(profile) && Profile.builtIn(profile) == nil {
            field.error(
                "there is no profile \"\(profile)\"",
                hint: NameSuggestion.hint(for: profile, among: known.sorted())
                    ?? "define it; kns.NAMESPACE, ksa.NAMESPACE.ACCOUNT and projectcalico-default-allow exist by themselves",
                into: &problems)
        }
    }

    private func checkServices(_ references: ResourceReferences, _ problems: inout DiagnosticList) {
        let known = Set(serviceEndpoints.map { "\($0.namespace)/\($0.service)" })
        for (namespace, name, field) in references.namedServices where !known.contains("\(namespace)/\(name)") {
            problems.warning(
                at: field.location, field: field.path,
                "no EndpointSlice is known for the service \(namespace)/\(name): the rule matches nothing until there is one",
                hint: NameSuggestion.hint(for: "\(namespace)/\(name)", among: known.sorted())
                    ?? "a slice says its service in the label kubernetes.io/service-name")
        }
        for felix in felixConfigurations {
            for service in (felix.dnsTrustedServers ?? []).compactMap(ServiceReference.init(parsing:))
            where !known.contains("\(service.namespace)/\(service.name)") {
                problems.warning(
                    at: felix.location, field: "spec.dnsTrustedServers",
                    "no EndpointSlice is known for the service \(service.namespace)/\(service.name): nobody is trusted by it until there is one",
                    hint: "a slice says its service in the label kubernetes.io/service-name")
            }
        }
    }

    /// A staged deletion of what is not there, or a staged policy that would not replace its namesake, previews nothing that was meant.
    private func checkStaged(_ references: ResourceReferences, _ problems: inout DiagnosticList) {
        guard !references.staged.isEmpty else { return }
        var tiersByIdentity: [String: [String]] = [:]
        for policy in policies where policy.stagedAction == nil { tiersByIdentity[policy.identity, default: []].append(policy.tier) }
        for entry in references.staged {
            let policy = entry.policy
            let tiers = tiersByIdentity[policy.identity] ?? []
            switch policy.stagedAction {
            case .delete where tiers.isEmpty:
                let hint = NameSuggestion.hint(for: policy.identity, among: tiersByIdentity.keys.sorted())
                problems.warning(
                    at: entry.field.location, field: entry.field.path, "there is no policy \"\(policy.identity)\" to delete", hint: hint)
            case .delete where !tiers.contains(policy.tier), .set where !tiers.isEmpty && !tiers.contains(policy.tier):
                problems.warning(
                    at: entry.field.location, field: entry.field.path,
                    "the policy \"\(policy.identity)\" is in the tier \"\(tiers[0])\", this one stages a change in \"\(policy.tier)\"")
            default: break
            }
        }
    }

    /// So many pairs of selector and set are looked at; beyond, the warning is left out.
    private static let denialPairsMax = 2_000_000

    /// Names of sets count in Allow rules only, unless the policy denies by name.
    private func checkDenials(_ references: ResourceReferences, _ problems: inout DiagnosticList) {
        let named = networkSets.filter { !$0.allowedEgressDomains.isEmpty || !$0.allowedEgressURLs.isEmpty }
        guard !named.isEmpty, !references.denials.isEmpty else { return }
        let context = LabelContext(self)
        let candidates = named.map { (identity: $0.identity, labels: context.labels(of: $0)) }
        var found: [Selector: String?] = [:]
        var pairs = 0
        for denial in references.denials {
            if found[denial.selector] == nil {
                guard pairs < Self.denialPairsMax else { continue }
                pairs += candidates.count
                found[denial.selector] = .some(candidates.first { denial.selector.matches($0.labels) }?.identity)
            }
            guard let identity = found[denial.selector] ?? nil else { continue }
            problems.warning(
                at: denial.field.location, field: denial.field.path,
                "selects the set \"\(identity)\", whose names have no effect in a Deny rule",
                hint: "annotate the policy with exeat.io/deny-domains: \"true\" to deny by name")
        }
    }
}
