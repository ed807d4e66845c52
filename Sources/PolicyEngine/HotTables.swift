import NetworkTypes

/// What decisions read beside an endpoint's program, as numbers and addresses; a `CompiledPolicy` keeps the memory behind it.
@safe
@frozen
@usableFromInline
struct HotTables: BitwiseCopyable {
    /// A failsafe port of host endpoints.
    @frozen
    @usableFromInline
    struct Failsafe: BitwiseCopyable {
        @usableFromInline let transport: UInt8
        @usableFromInline let port: UInt16
        @usableFromInline let hasNet: Bool
        @usableFromInline let net: IPPrefix
    }

    /// By position of the endpoint.
    @usableFromInline let programs: UnsafeMutablePointer<EndpointProgram>
    @usableFromInline let programCount: Int
    /// Positions of endpoints by address.
    @usableFromInline let addresses: AddressIndex.View
    /// Endpoints and slices of services.
    @usableFromInline let hosts: AddressMembers.View
    /// Network sets.
    @usableFromInline let nets: AddressMembers.View
    @usableFromInline let names: NameMembers.View
    /// By number of the member.
    @usableFromInline let memberSets: UnsafeMutablePointer<MemberSets.View>
    @usableFromInline let memberCount: Int
    /// By number of the address set: bit 0, it has names; ports of its URLs are in `setPorts`.
    @usableFromInline let setNames: UnsafeMutablePointer<UInt8>
    @usableFromInline let setCount: Int
    /// `set << 16 | port` of names that count on one TCP port only, ascending.
    @usableFromInline let setPorts: UnsafeMutablePointer<UInt64>
    @usableFromInline let setPortCount: Int
    /// Places in the order, by slot of a policy or tier; a tier stands after its policies.
    @usableFromInline let ranks: UnsafeMutablePointer<UInt32>
    @usableFromInline let rankCount: Int
    @usableFromInline let exclusives: ExclusivePolicies.View
    /// With the staged policies in force.
    @usableFromInline let stagedExclusives: ExclusivePolicies.View
    @usableFromInline let exclusiveSets: NameMembers.View
    @usableFromInline let failsafes: UnsafeMutablePointer<Failsafe>
    @usableFromInline let failsafeCount: Int
    @usableFromInline let vxlanPort: UInt16
    @usableFromInline let builtIns: BuiltInRules.View

    // Sound: the counts belong to the pointers, and every number that a program holds is below them.

    @inlinable
    func program(_ position: Int) -> EndpointProgram {
        precondition(position >= 0 && position < programCount, "no such endpoint")
        return unsafe programs[position]
    }

    @inlinable
    func sets(of member: UInt32) -> MemberSets.View {
        assert(Int(member) < memberCount)
        return unsafe memberSets[Int(member)]
    }

    @inlinable
    func rank(_ slot: UInt32) -> UInt32 {
        assert(Int(slot) < rankCount)
        return unsafe ranks[Int(slot)]
    }

    @inlinable
    func isFailsafe(_ flow: FlowTuple) -> Bool {
        var place = 0
        while place < failsafeCount {
            let failsafe = unsafe failsafes[place]
            if failsafe.transport == flow.transport.rawValue, failsafe.port == flow.destinationPort,
                !failsafe.hasNet || failsafe.net.contains(flow.destination)
            {
                return true
            }
            place &+= 1
        }
        return false
    }

    /// Whether the set holds names that count on the flow's port.
    @inlinable
    func hasNames(_ set: UInt32, for flow: FlowTuple) -> Bool {
        assert(Int(set) < setCount)
        if unsafe setNames[Int(set)] != 0 { return true }
        guard setPortCount > 0, flow.transport == .tcp else { return false }
        let wanted = UInt64(set) << 16 | UInt64(flow.destinationPort)
        var low = 0
        var high = setPortCount
        while low < high {
            let middle = (low &+ high) >> 1
            let entry = unsafe setPorts[middle]
            if entry == wanted { return true }
            if entry < wanted { low = middle &+ 1 } else { high = middle }
        }
        return false
    }
}
