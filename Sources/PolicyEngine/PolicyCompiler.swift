import DomainNames
import NetworkTypes
import PolicyModel

/// Compiles resources to tables, and changes of resources to changes of tables. Owned by the control plane.
///
///     policy   -> block of rules, compiled once
///     labels   -> (inverted index over selectors) -> policies of an endpoint -> program, shared with all that have the same
///     selector of a rule -> address set, members kept up to date
///
/// A change costs what it touches: a relabelled endpoint looks at the selectors that its labels lead to; a changed policy makes anew its
/// block and the programs that hold it. Then the tables are published as a new `CompiledPolicy`, which shares the rest with the one before.
public struct PolicyCompiler: ~Copyable {
    /// What one round of changes has touched so far.
    struct Changes {
        /// Every endpoint's policies are to be found anew.
        var all = false
        var endpoints: Set<ResourceKey> = []
        var withdrawnMembers: [UInt32] = []
        /// Policies that came, went or changed.
        var slots: Set<UInt32> = []
        var order = false
        var staged = false
        /// Endpoints came or went, or their addresses changed.
        var population = false
        var networkSets = false
        var sources = false
        var felix = false
        var programs = false
        /// No longer used once programs are made anew.
        var dropped: [PolicyBlock] = []
        var outgoing: [PolicyProgram] = []
        var droppedPatterns: [PatternNumber] = []
    }

    /// The policies that select an endpoint, by their places in the order, and what else its program depends on.
    struct SelectionKey: Hashable {
        let words: [UInt64]
        let profiles: [String]
        let isHost: Bool
    }

    struct Selection {
        weak var program: PolicyProgram?
        let stagedSlots: [UInt32]
    }

    private(set) var options: PolicyOptions
    /// `options.trustedResolvers` since the tables were made last.
    private var hasNewResolvers = false
    private var version: UInt32 = 0
    /// As they were given.
    var resources: [ResourceKey: Resource] = [:]
    var context = LabelContext()

    var patterns = PatternRegistry()
    var sets = SetRegistry()
    package var ruleNumbers = RuleNumbers()
    var nextID: UInt64 = 1

    var tiers: [String: TierRecord] = [:]
    var policySlots: [ResourceKey: UInt32] = [:]
    /// By slot; nil for tiers and free slots.
    var records: [PolicyRecord?] = []
    var orderKeys: [OrderKey?] = []
    var orderHashes: [UInt64] = []
    var freeSlots: [UInt32] = []
    /// Slots in the order of policies, and the other way round.
    var order: [UInt32] = []
    var ranks: [UInt32] = []
    /// Policies for egress, by what their selectors ask for.
    var policyIndex = LabelIndex()
    /// By slot: policies that select everything.
    var isUniversal: [Bool] = []
    var stagedSlots: Set<UInt32> = []
    var exclusiveSlots: Set<UInt32> = []

    var profiles: [String: ProfileRecord] = [:]
    var endpoints: [ResourceKey: EndpointRecord] = [:]
    var networkSetMembers: [ResourceKey: UInt32] = [:]
    var sliceMembers: [ResourceKey: UInt32] = [:]
    var exclusiveSetOrigins: [ResourceKey: RuleOrigin] = [:]

    var programs: [ProgramKey: PolicyProgram] = [:]
    /// What the same policies led to before, while no policy or profile changes.
    var selections: [SelectionKey: Selection] = [:]
    let programMemory = ProgramMemory()
    let scratch = ProgramScratch()

    // As published; see `publish`.
    var published: [EndpointRecord] = []
    var compiledEndpoints: [CompiledEndpoint] = []
    var endpointPrograms: [EndpointProgram] = []
    var setNames: [UInt8] = []
    var memberSets: ContiguousArray<MemberSets> = []
    var parts: PolicyParts?

    public init(_ options: PolicyOptions = PolicyOptions()) {
        self.options = options
        var changes = Changes()
        setTier(.default, &changes)
    }

    /// Other resolvers than before are asked by the node, from the next compilation on.
    public mutating func trust(_ resolvers: [TrustedResolver]) {
        options.trustedResolvers = resolvers
        hasNewResolvers = true
    }

    /// Compiles a whole set of valid resources: what differs from those before is applied.
    ///
    /// `identify` gives each endpoint its number, by its identity; an endpoint for which it gives nil (the registry is full) is left out,
    /// so that all of its traffic is refused as unknown.
    public mutating func compile(_ resources: ResourceSet, identify: (_ identity: String) -> EndpointID?) -> CompiledPolicy {
        var changes = ResourceChanges()
        var keys: Set<ResourceKey> = []
        for resource in resources.all {
            let key = resource.key
            keys.insert(key)
            if self.resources[key] != resource { changes.upserts.append(resource) }
        }
        for key in self.resources.keys where !keys.contains(key) { changes.removals.append(key) }
        return apply(changes, asksForAll: true, identify: identify)
    }

    /// Compiles changes of the resources. `identify` as above; it is asked for endpoints that are new or changed, or have no number yet.
    public mutating func apply(_ changes: ResourceChanges, identify: (_ identity: String) -> EndpointID?) -> CompiledPolicy {
        apply(changes, asksForAll: false, identify: identify)
    }

    private mutating func apply(
        _ resourceChanges: ResourceChanges, asksForAll: Bool, identify: (String) -> EndpointID?
    ) -> CompiledPolicy {
        version &+= 1
        var changes = Changes()
        changes.felix = hasNewResolvers
        hasNewResolvers = false
        take(resourceChanges, &changes)
        number(resourceChanges, asksForAll: asksForAll, &changes, identify)
        assignPrograms(&changes)
        sets.evaluatePending()
        release(&changes)
        return publish(changes, version: version)
    }

    mutating func newID() -> UInt64 {
        defer { nextID += 1 }
        return nextID
    }
}
