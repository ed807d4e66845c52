import NetworkTypes

/// The search for the first rule that matches a flow: what is looked for, and the best found so far. Lives on the stack.
@safe
@frozen
@usableFromInline
struct FlowSearch {
    @usableFromInline static var memberMax: Int { 16 }

    @usableFromInline let flow: FlowTuple
    @usableFromInline let endpoint: EndpointID
    @usableFromInline let view: UnsafePointer<ProgramView>
    /// Rules before this position are past.
    @usableFromInline var from = 0
    /// The first match so far; before there is one, where the search ends.
    @usableFromInline var best = 0
    @usableFromInline var pattern: PatternNumber = anyName
    /// Members that hold the destination, collected where the program asks for address sets.
    @usableFromInline var memberCount = 0
    @usableFromInline var members = InlineArray<16, UInt32>(repeating: 0)
    /// There are more than fit.
    @usableFromInline var hasMoreMembers = false

    @inlinable
    init(flow: FlowTuple, endpoint: EndpointID, view: UnsafePointer<ProgramView>) {
        self.flow = flow
        self.endpoint = endpoint
        unsafe self.view = view
    }

    @inlinable
    mutating func append(_ member: UInt32) {
        if memberCount < Self.memberMax {
            members[memberCount] = member
            memberCount &+= 1
        } else {
            hasMoreMembers = true
        }
    }

    /// Protocol and destination port, as `MemberSets` holds them.
    @inlinable
    var destinationPort: UInt32 { UInt32(flow.transport.rawValue) << 16 | UInt32(flow.destinationPort) }

    @inlinable
    var sourcePort: UInt32 { UInt32(flow.transport.rawValue) << 16 | UInt32(flow.sourcePort) }
}
