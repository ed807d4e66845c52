import DomainNames
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import PolicyModel

/// A compiler that goes from one set of resources to the next, and the policy that it gave last.
struct EngineUnderTest: ~Copyable {
    private var compiler: PolicyCompiler
    private var previous: [Resource] = []
    private var isFirst = true
    private(set) var policy: CompiledPolicy
    private let refused: Set<String>

    /// Endpoints whose identity is in `refused` get no number, as when the registry is full.
    init(_ options: CaseOptions, refused: Set<String>) {
        var policyOptions = PolicyOptions()
        policyOptions.unselectedAllowed = options.unselectedAllowed
        policyOptions.exclusiveByDefault = options.exclusiveByDefault
        compiler = PolicyCompiler(policyOptions)
        self.refused = refused
        policy = compiler.compile(ResourceSet()) { _ in nil }
    }

    /// The first time everything is compiled, then what changed.
    mutating func move(to world: [Resource]) {
        let refused = refused
        func identify(_ identity: String) -> EndpointID? { refused.contains(identity) ? nil : Self.number(of: identity) }
        if isFirst {
            policy = compiler.compile(ResourceSet(world), identify: identify)
        } else {
            policy = compiler.apply(Self.changes(from: previous, to: world), identify: identify)
        }
        isFirst = false
        previous = world
    }

    /// What is new or other, and what is gone; now and then something that is as it was.
    static func changes(from old: [Resource], to new: [Resource]) -> ResourceChanges {
        let before = Dictionary(old.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        let keys = Set(new.map(\.key))
        var changes = ResourceChanges(
            upserts: new.filter { before[$0.key] != $0 }, removals: old.map(\.key).filter { !keys.contains($0) })
        if let same = new.first, before[same.key] == same, changes.upserts.count % 2 == 1 { changes.upserts.append(same) }
        return changes
    }

    /// The same for the same identity, in every process; the universe is too small for two to share one.
    static func number(of identity: String) -> EndpointID {
        var value: UInt32 = 2_166_136_261
        for byte in identity.utf8 { value = (value ^ UInt32(byte)) &* 16_777_619 }
        return EndpointID(rawValue: value)
    }

    /// Place of the endpoint in the policy.
    func place(of identity: String) -> Int? { policy.endpoints.firstIndex { $0.identity == identity } }

    /// The numbers of all patterns that match a name.
    func numbers(matching name: DomainName) -> [PatternNumber] {
        var numbers: [PatternNumber] = []
        policy.appendPatterns(matching: name, to: &numbers)
        return numbers
    }

    func bindings(_ endpoint: EndpointID, _ probe: Probe) -> HeldNumbers {
        var numbers: [PatternNumber] = []
        for name in probe.held {
            for number in self.numbers(matching: name) where !numbers.contains(number) { numbers.append(number) }
        }
        // Numbers come in no order.
        if !probe.held.isEmpty { numbers.insert(anyName, at: Int(probe.flow.sourcePort) % (numbers.count + 1)) }
        return HeldNumbers(endpoint: endpoint, address: probe.flow.destination, numbers: numbers)
    }

    static func tuple(_ flow: ReferenceFlow) -> FlowTuple {
        FlowTuple(
            source: flow.source, destination: flow.destination, transport: flow.transport, sourcePort: flow.sourcePort,
            destinationPort: flow.destinationPort, icmpType: flow.icmpType, icmpCode: flow.icmpCode)
    }
}
