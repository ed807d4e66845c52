import NetworkTypes
import PolicyModel

/// What a `CompiledPolicy` is made of: the tables that decisions read, whose memory it keeps, and what reports need. Versions of policy
/// share what did not change.
@safe
struct PolicyParts: @unchecked Sendable {
    var options: PolicyOptions
    /// Everything that the endpoints use.
    var programs: ContiguousArray<PolicyProgram>
    var hosts: AddressMembers
    var nets: AddressMembers
    var names: NameMembers
    var memberSets: ContiguousArray<MemberSets>
    var memberViews: FlatMemory<MemberSets.View>
    var setNames: FlatMemory<UInt8>
    var setPorts: FlatMemory<UInt64>
    var ranks: FlatMemory<UInt32>
    var exclusives: ExclusivePolicies
    var stagedExclusives: ExclusivePolicies
    var exclusiveSets: NameMembers
    var failsafes: FlatMemory<HotTables.Failsafe>
    var vxlanPort: UInt16
    /// Of `options.builtIns`, ascending.
    var httpsResolvers: FlatMemory<IPAddress>
    var ownResolvers: FlatMemory<IPAddress>
    var addresses: AddressIndex
    var positions: EndpointPositions
    var patterns: PatternTable
    var origins: PagedTable<RuleOrigin>
    /// Some program refuses names.
    var deniesNames: Bool
    /// For explanations: policies in order, tiers, profiles, network sets and services as resources.
    var sources: PolicySources
    /// By slot.
    var tierNames: [UInt32: String] = [:]

    func hotTables(_ programs: FlatMemory<EndpointProgram>) -> HotTables {
        unsafe HotTables(
            programs: programs.base, programCount: programs.count, addresses: addresses.view, hosts: hosts.view, nets: nets.view,
            names: names.view,
            memberSets: memberViews.base, memberCount: memberViews.count, setNames: setNames.base, setCount: setNames.count,
            setPorts: setPorts.base, setPortCount: setPorts.count, ranks: ranks.base, rankCount: ranks.count, exclusives: exclusives.view,
            stagedExclusives: stagedExclusives.view, exclusiveSets: exclusiveSets.view, failsafes: failsafes.base,
            failsafeCount: failsafes.count, vxlanPort: vxlanPort,
            builtIns: BuiltInRules.View(options.builtIns, https: httpsResolvers, resolvers: ownResolvers))
    }
}
