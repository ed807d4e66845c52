import NetworkTypes

/// The ports of a rule of another dialect, where each port has its own protocol: a rule of the model has one for all.
struct KubernetesPortGroups {
    struct Group: Equatable {
        var `protocol`: TransportProtocol
        /// Empty: all.
        var ports: [RulePort]
    }

    /// In the order in which the protocols come up first.
    private(set) var groups: [Group] = []
    /// Groups that one entry opened to all ports.
    private var unrestricted: Set<TransportProtocol> = []

    var isEmpty: Bool { groups.isEmpty }

    /// `port` nil: all ports of the protocol.
    mutating func add(_ protocol: TransportProtocol, _ port: RulePort?) {
        let index = groups.firstIndex { $0.protocol == `protocol` } ?? groups.count
        if index == groups.count { groups.append(Group(protocol: `protocol`, ports: [])) }
        guard let port else {
            unrestricted.insert(`protocol`)
            groups[index].ports = []
            return
        }
        if !unrestricted.contains(`protocol`), !groups[index].ports.contains(port) { groups[index].ports.append(port) }
    }

    /// `rule` for each group, with its protocol and ports in the destination; `rule` alone if there is no group.
    func applied(to rule: PolicyRule) -> [PolicyRule] {
        guard !groups.isEmpty else { return [rule] }
        return groups.map { group in
            var rule = rule
            rule.protocol = group.protocol
            rule.destination.ports = group.ports
            return rule
        }
    }
}
