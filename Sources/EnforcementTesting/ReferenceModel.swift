import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel

/// What should be decided, worked out slowly and plainly from the current inputs: policy, endpoints, bindings, admissions
/// and time. Policy is that of `ReferencePolicy`, which shares no table and no code of the engine.
public struct ReferenceModel {
    struct Binding: Hashable {
        let client: String
        let name: DomainName
        let address: IPAddress

        /// Of a little that tells most bindings apart: they are looked up all the time.
        func hash(into hasher: inout Hasher) {
            let name = UInt64(self.name.rootFirst.count) << 8 | UInt64(self.name.rootFirst.last ?? 0)
            hasher.combine(address.lower ^ name << 40 ^ UInt64(client.utf8.last ?? 0) << 32)
        }
    }

    struct ClientAddress: Hashable {
        let client: String
        let address: IPAddress
    }

    var resources = ResourceSet() {
        didSet {
            guard resources != oldValue else { return }
            vocabulary.remember(resources)
            policy = ReferencePolicy(resources, vocabulary: vocabulary)
        }
    }
    private var vocabulary = ReferenceVocabulary()
    private var policy = ReferencePolicy(ResourceSet())
    /// What the kernel was told last; `resources` is what the verdict threads go by.
    private(set) var inForce = ResourceSet()
    private var policyInForce = ReferencePolicy(ResourceSet())
    var now = Instant(nanoseconds: 0)
    /// When each binding ends. Bindings that ended stay here until nobody can tell the difference.
    var expiries: [Binding: Instant] = [:]
    /// When a flow was first admitted by a name, for each client and address that has a binding.
    var firstAdmissions: [ClientAddress: Instant] = [:]
    /// Sweeps over conntrack, one after the other, that saw no flow for a binding that ended.
    var unseenSweeps: [Binding: Int] = [:]
    /// Bindings to which the last sweep saw a flow.
    var carrying: Set<Binding> = []

    /// Learning lengthens, never shortens.
    mutating func learn(_ name: DomainName, _ addresses: [IPAddress], expiry: Instant, client: String) {
        for address in addresses {
            let binding = Binding(client: client, name: name, address: address)
            expiries[binding] = max(expiries[binding] ?? expiry, expiry)
            unseenSweeps[binding] = nil
        }
    }

    /// Takes over when a binding ends, which may be earlier by the slack of renewals. False if it is earlier still, or later.
    mutating func settle(_ name: DomainName, _ address: IPAddress, at actual: Instant, client: String, slack: UInt64) -> Bool {
        let binding = Binding(client: client, name: name, address: address)
        guard let expected = expiries[binding] else { return false }
        expiries[binding] = actual
        return actual <= expected && actual.advanced(byNanoseconds: slack) >= expected
    }

    /// Whether a binding counts for a flow that is new, or that was admitted before.
    func counts(_ binding: Binding, wasAdmitted: Bool) -> Bool {
        guard let expiry = expiries[binding] else { return false }
        if now <= expiry { return true }
        guard wasAdmitted, let first = firstAdmissions[ClientAddress(client: binding.client, address: binding.address)] else {
            return false
        }
        return first <= expiry
    }

    /// Names under which the client may reach the address now.
    func names(_ client: String, _ address: IPAddress, wasAdmitted: Bool) -> [DomainName] {
        expiries.keys.filter { $0.client == client && $0.address == address && counts($0, wasAdmitted: wasAdmitted) }.map(\.name)
    }

    mutating func noteAdmission(_ client: String, _ address: IPAddress) {
        let key = ClientAddress(client: client, address: address)
        if firstAdmissions[key] == nil { firstAdmissions[key] = now }
    }

    /// A sweep over conntrack: forgets what ended if neither this one nor the last saw a flow for its name.
    mutating func forgetEnded(unless isInUse: (String, IPAddress) -> Bool) {
        for (binding, expiry) in expiries where expiry < now && !counts(binding, wasAdmitted: true) { forget(binding) }
        let ended = expiries.filter { $0.value < now }.keys
        carrying = Set(ended.filter { isInUse($0.client, $0.address) })
        for binding in ended {
            let isKept = carrying.contains { $0.client == binding.client && $0.name == binding.name }
            unseenSweeps[binding] = isKept ? 0 : unseenSweeps[binding, default: 0] + 1
            if unseenSweeps[binding] == 2 { forget(binding) }
        }
    }

    mutating func forget(_ binding: Binding) {
        expiries[binding] = nil
        unseenSweeps[binding] = nil
        let (client, address) = (binding.client, binding.address)
        if !expiries.keys.contains(where: { $0.client == client && $0.address == address }) {
            firstAdmissions[ClientAddress(client: client, address: address)] = nil
        }
    }

    mutating func forgetClients(except identities: Set<String>) {
        expiries = expiries.filter { identities.contains($0.key.client) }
        unseenSweeps = unseenSweeps.filter { identities.contains($0.key.client) }
        firstAdmissions = firstAdmissions.filter { identities.contains($0.key.client) }
    }

    /// The kernel goes by what the verdict threads go by.
    mutating func commit() {
        inForce = resources
        policyInForce = policy
    }

    /// The decision for one flow, and whether it hung on a name.
    func decide(_ endpoint: WorkloadEndpoint, _ flow: FlowTuple, wasAdmitted: Bool) -> (isAllowed: Bool, byName: Bool) {
        decide(policy, endpoint, flow, wasAdmitted: wasAdmitted)
    }

    /// The same under the policy that the kernel's marks stand for.
    func decideInForce(_ endpoint: WorkloadEndpoint, _ flow: FlowTuple, wasAdmitted: Bool) -> Bool {
        decide(policyInForce, endpoint, flow, wasAdmitted: wasAdmitted).isAllowed
    }

    private func decide(
        _ policy: ReferencePolicy, _ endpoint: WorkloadEndpoint, _ flow: FlowTuple, wasAdmitted: Bool
    ) -> (isAllowed: Bool, byName: Bool) {
        let flow = ReferenceFlow(
            source: flow.source, destination: flow.destination, transport: flow.transport, sourcePort: flow.sourcePort,
            destinationPort: flow.destinationPort, icmpType: flow.icmpType, icmpCode: flow.icmpCode)
        let names = names(endpoint.identity, flow.destination, wasAdmitted: wasAdmitted)
        guard let decision = policy.decide(endpoint.identity, flow, held: names) else { return (false, false) }
        return (decision.isAllowed, !decision.matchedByAddress)
    }
}
