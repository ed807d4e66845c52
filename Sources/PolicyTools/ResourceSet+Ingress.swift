import PolicyModel

extension ResourceSet {
    /// The same set with ingress and egress exchanged, so that the engine, which decides egress, decides ingress: an endpoint then is the
    /// end that a flow comes to, `source` of each rule is that endpoint and `destination` the peer.
    ///
    /// Names bear on egress alone and are left out; so are failsafe ports, which are of the other end's port here.
    func mirroredForIngress() -> ResourceSet {
        var mirror = self
        for place in mirror.policies.indices {
            let policy = policies[place]
            mirror.policies[place].egress = policy.ingress.map(\.mirrored)
            mirror.policies[place].ingress = policy.egress.map(\.mirrored)
            mirror.policies[place].types = Set(policy.types.map { $0 == .egress ? .ingress : .egress })
            mirror.policies[place].isExclusive = false
            mirror.policies[place].deniesByName = false
        }
        for place in mirror.profiles.indices {
            mirror.profiles[place].egress = profiles[place].ingress.map(\.mirrored)
            mirror.profiles[place].ingress = profiles[place].egress.map(\.mirrored)
        }
        for place in mirror.networkSets.indices {
            mirror.networkSets[place].allowedEgressDomains = []
            mirror.networkSets[place].allowedEgressURLs = []
            mirror.networkSets[place].isExclusive = false
        }
        var felix = FelixConfiguration()
        felix.failsafeOutboundHostPorts = []
        // Encapsulation is refused out of workloads only; no flow here has port 0.
        felix.vxlanPort = 0
        mirror.felixConfigurations = [felix]
        return mirror
    }
}

extension PolicyRule {
    fileprivate var mirrored: PolicyRule {
        var rule = self
        (rule.source, rule.destination) = (destination, source)
        rule.source.domains = []
        rule.source.urls = []
        return rule
    }
}
