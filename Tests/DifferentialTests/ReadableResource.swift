import EnforcementTesting
import NetworkTypes
import PolicyModel

/// Resources as a reader wants them: what is there and nothing else.
enum ReadableResource {
    static func text(_ found: DifferentialCase) -> String {
        var lines: [String] = []
        for (number, world) in found.worlds.enumerated() {
            lines.append(number == 0 ? "resources:" : "then changed to:")
            lines += world.map { "  " + text($0) }.sorted()
        }
        let (probe, flow) = (found.probe, found.probe.flow)
        lines.append(
            "options: unselectedAllowed \(found.options.unselectedAllowed), exclusiveByDefault \(found.options.exclusiveByDefault)")
        lines.append(
            "flow of \(probe.identity): \(flow.source):\(flow.sourcePort) to \(flow.destination):\(flow.destinationPort) \(flow.transport)"
                + " icmp \(flow.icmpType)/\(flow.icmpCode), held under \(probe.held.map(\.description)), asked \(probe.asked)")
        return lines.joined(separator: "\n")
    }

    static func text(_ resource: Resource) -> String {
        switch resource {
        case .policy(let policy): return text(policy)
        case .tier(let tier): return "Tier \(tier.name) order \(tier.order.map { "\($0)" } ?? "nil") \(tier.defaultAction.rawValue)"
        case .networkSet(let set):
            return parts(
                "\(set.key)", ("labels", set.labels.isEmpty ? nil : "\(set.labels)"), ("nets", list(set.nets)),
                ("domains", list(set.allowedEgressDomains)), ("urls", list(set.allowedEgressURLs.map { "\($0.pattern):\($0.port)" })),
                ("exclusive", set.isExclusive ? "true" : nil))
        case .workloadEndpoint(let endpoint):
            return parts(
                "WorkloadEndpoint \(endpoint.identity)", ("labels", endpoint.labels.isEmpty ? nil : "\(endpoint.labels)"),
                ("addresses", list(endpoint.addresses)), ("account", endpoint.serviceAccount), ("profiles", list(endpoint.profiles)),
                ("orchestrator", endpoint.orchestrator), ("ports", list(endpoint.ports.map { "\($0.name)=\($0.protocol)/\($0.port)" })))
        case .hostEndpoint(let endpoint):
            return parts(
                "HostEndpoint \(endpoint.identity)", ("labels", endpoint.labels.isEmpty ? nil : "\(endpoint.labels)"),
                ("addresses", list(endpoint.expectedIPs)), ("profiles", list(endpoint.profiles)),
                ("ports", list(endpoint.ports.map { "\($0.name)=\($0.protocol)/\($0.port)" })))
        case .profile(let profile):
            return parts(
                "Profile \(profile.name)", ("labels", profile.labelsToApply.isEmpty ? nil : "\(profile.labelsToApply)"),
                ("egress", rules(profile.egress)))
        case .namespace(let namespace): return "Namespace \(namespace.name) \(namespace.labels)"
        case .serviceAccount(let account): return "ServiceAccount \(account.namespace)/\(account.name) \(account.labels)"
        case .serviceEndpoints(let slice):
            return "EndpointSlice \(slice.namespace)/\(slice.name) of \(slice.service): \(slice.addresses) "
                + "\(slice.ports.map { "\($0.protocol)/\($0.port)" })"
        case .felixConfiguration(let felix):
            return parts(
                "FelixConfiguration \(felix.name)", ("vxlanPort", felix.vxlanPort.map { "\($0)" }),
                (
                    "failsafe",
                    felix.failsafeOutboundHostPorts.map { "\($0.map { "\($0.protocol)/\($0.port)/\($0.net.map { "\($0)" } ?? "any")" })" }
                ))
        }
    }

    private static func text(_ policy: NetworkPolicy) -> String {
        parts(
            "\(policy.key)", ("tier", policy.tier), ("order", policy.order.map { "\($0)" } ?? "nil"),
            ("selector", policy.selector.isAll ? nil : policy.selector.description),
            ("namespaceSelector", policy.namespaceSelector?.description), ("accounts", policy.serviceAccountSelector?.description),
            ("types", "\(policy.types.map(\.rawValue).sorted())"), ("staged", policy.stagedAction?.rawValue),
            ("impliesDefault", policy.impliesDefault ? nil : "false"), ("exclusive", policy.isExclusive ? "true" : nil),
            ("queries", policy.queryPolicy?.rawValue),
            ("deniesByName", policy.deniesByName ? "true" : nil), ("egress", rules(policy.egress)))
    }

    private static func rules(_ rules: [PolicyRule]) -> String? {
        rules.isEmpty
            ? nil
            : rules.enumerated().map { index, rule in
                "\n      [\(index)] "
                    + parts(
                        rule.action.rawValue, ("ipVersion", rule.ipVersion.map { "\($0)" }), ("protocol", rule.protocol.map { "\($0)" }),
                        ("notProtocol", rule.notProtocol.map { "\($0)" }), ("icmp", rule.icmp.map(text)),
                        ("notICMP", rule.notICMP.map(text)),
                        ("source", text(rule.source)), ("destination", text(rule.destination)))
            }.joined()
    }

    private static func text(_ icmp: ICMPMatch) -> String { "\(icmp.type.map { "\($0)" } ?? "any")/\(icmp.code.map { "\($0)" } ?? "any")" }

    private static func text(_ entity: EntityRule) -> String? {
        if entity == .any { return nil }
        return "{"
            + parts(
                "", ("nets", list(entity.nets)), ("notNets", list(entity.notNets)), ("selector", entity.selector?.description),
                ("notSelector", entity.notSelector?.description), ("namespaceSelector", entity.namespaceSelector?.description),
                ("accounts", entity.serviceAccounts.map { "\($0.names) \($0.selector?.description ?? "")" }),
                ("services", entity.services.map { "\($0.namespace ?? "own")/\($0.name)" }), ("ports", list(entity.ports.map(text))),
                ("notPorts", list(entity.notPorts.map(text))), ("domains", list(entity.domains)),
                ("urls", list(entity.urls.map { "\($0.pattern):\($0.port)" }))) + " }"
    }

    private static func text(_ port: RulePort) -> String {
        switch port {
        case .range(let range): "\(range)"
        case .named(let name): name
        }
    }

    private static func list<Element>(_ elements: [Element]) -> String? {
        elements.isEmpty ? nil : "[" + elements.map { "\($0)" }.joined(separator: ", ") + "]"
    }

    private static func parts(_ head: String, _ fields: (String, String?)...) -> String {
        fields.reduce(into: head) { text, field in
            if let value = field.1 { text += " \(field.0): \(value)" }
        }
    }
}
