import NetworkTypes

/// One egress rule, flat: one cache line. Its lists lie in the memory of the block that it was compiled in, which whoever holds the rule
/// keeps.
///
/// A rule of a policy is one compiled rule, or several that are tried one after the other where it has alternatives that differ in more
/// than the address: names and URLs, port numbers and port names.
@safe
@frozen
@usableFromInline
struct CompiledRule: @unchecked Sendable, BitwiseCopyable {
    /// A list in the memory of the block.
    @frozen
    @usableFromInline
    struct Slice: Sendable, BitwiseCopyable {
        /// Bytes from the beginning; while a block is built, the place among all elements of the kind.
        @usableFromInline var offset: UInt32 = 0
        @usableFromInline var count: UInt32 = 0
        @usableFromInline init() {}
    }

    @frozen
    @usableFromInline
    enum Action: UInt8, Sendable, BitwiseCopyable { case allow, deny, pass, log }

    /// What the flow must fulfil; the fields below are looked at only where a bit is set.
    @frozen
    @usableFromInline
    struct Conditions: OptionSet, Sendable, BitwiseCopyable {
        @usableFromInline let rawValue: UInt32
        @inlinable
        init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Patterns of its own: it is found by them, and by them only.
        @inlinable static var names: Conditions { Conditions(rawValue: 1) }
        /// `set`: the addresses of its members, or their names.
        @inlinable static var set: Conditions { Conditions(rawValue: 2) }
        /// One net of IPv4, in the rule itself: address and length in `nets`.
        @inlinable static var net: Conditions { Conditions(rawValue: 1 << 21) }
        /// Others.
        @inlinable static var nets: Conditions { Conditions(rawValue: 4) }
        /// One range of destination ports, `port`.
        @inlinable static var port: Conditions { Conditions(rawValue: 8) }
        /// Several.
        @inlinable static var ports: Conditions { Conditions(rawValue: 16) }
        @inlinable static var notSet: Conditions { Conditions(rawValue: 32) }
        @inlinable static var notNets: Conditions { Conditions(rawValue: 64) }
        @inlinable static var notPorts: Conditions { Conditions(rawValue: 128) }
        @inlinable static var sourceNets: Conditions { Conditions(rawValue: 256) }
        @inlinable static var sourceNotNets: Conditions { Conditions(rawValue: 512) }
        @inlinable static var sourcePorts: Conditions { Conditions(rawValue: 1024) }
        @inlinable static var sourceNotPorts: Conditions { Conditions(rawValue: 2048) }
        /// Named ports.
        @inlinable static var notPortSets: Conditions { Conditions(rawValue: 1 << 12) }
        @inlinable static var sourcePortSet: Conditions { Conditions(rawValue: 1 << 13) }
        @inlinable static var sourceNotPortSets: Conditions { Conditions(rawValue: 1 << 14) }
        @inlinable static var icmpType: Conditions { Conditions(rawValue: 1 << 15) }
        @inlinable static var icmpCode: Conditions { Conditions(rawValue: 1 << 16) }
        @inlinable static var notICMPType: Conditions { Conditions(rawValue: 1 << 17) }
        @inlinable static var notICMPCode: Conditions { Conditions(rawValue: 1 << 18) }
        /// No condition but a property: names of the sets count, for `set` and `notSet`.
        @inlinable static var setNames: Conditions { Conditions(rawValue: 1 << 19) }
        /// No condition but a property: nothing but a name (or being of a set) is asked for, so that the rule can be applied to a query.
        @inlinable static var onlyNames: Conditions { Conditions(rawValue: 1 << 20) }

        /// No conditions but properties, of Allow rules with names: whether flows that it admits by name have to give their name, on the
        /// ports of `NamePort.standard` or on those of `RareCriteria`.
        @inlinable static var observesName: Conditions { Conditions(rawValue: 1 << 22) }
        @inlinable static var requiresName: Conditions { Conditions(rawValue: 1 << 23) }
        @inlinable static var namePorts: Conditions { Conditions(rawValue: 1 << 24) }

        @inlinable static var checksName: Conditions { Conditions(rawValue: 3 << 22) }
        @inlinable static var anyICMP: Conditions { Conditions(rawValue: 15 << 15) }
        @inlinable static var anySourcePort: Conditions { Conditions(rawValue: 1024 | 2048 | 1 << 13 | 1 << 14) }
        /// Those of `RareCriteria` that look at ports.
        @inlinable static var rarePorts: Conditions { Conditions(rawValue: 128 | 1024 | 2048 | 7 << 12) }
        /// Those of `RareCriteria`, and `notSet`.
        @inlinable static var rare: Conditions { Conditions(rawValue: 0x7ffe0) }
    }

    /// What few rules ask for; beside the lists.
    @frozen
    @usableFromInline
    struct RareCriteria: Sendable, BitwiseCopyable {
        /// AddressRange, ascending and disjoint.
        @usableFromInline var notNets = Slice()
        @usableFromInline var sourceNets = Slice()
        @usableFromInline var sourceNotNets = Slice()
        /// PortRange.
        @usableFromInline var notPorts = Slice()
        @usableFromInline var sourcePorts = Slice()
        @usableFromInline var sourceNotPorts = Slice()
        /// PortRange, of destinations where names are verified: TCP, then UDP.
        @usableFromInline var nameTCPPorts = Slice()
        @usableFromInline var nameUDPPorts = Slice()
        /// Numbers of address sets.
        @usableFromInline var notPortSets = Slice()
        @usableFromInline var sourceNotPortSets = Slice()
        @usableFromInline var sourcePortSet: UInt32 = 0
        @usableFromInline var icmpType: UInt8 = 0
        @usableFromInline var icmpCode: UInt8 = 0
        @usableFromInline var notICMPType: UInt8 = 0
        @usableFromInline var notICMPCode: UInt8 = 0
        @usableFromInline init() {}
    }

    @usableFromInline var action: Action = .deny
    /// 4, 6 or 0 for both.
    @usableFromInline var family: UInt8 = 0
    /// 0: any.
    @usableFromInline var transport: UInt8 = 0
    /// 0: none excluded.
    @usableFromInline var notTransport: UInt8 = 0
    @usableFromInline var conditions: Conditions = []
    /// For `CompiledPolicy.description(ofRule:)`.
    @usableFromInline var number: UInt32 = 0
    @usableFromInline var set: UInt32 = 0
    @usableFromInline var notSet: UInt32 = 0
    /// Place of the rule in its policy.
    @usableFromInline var place: UInt32 = 0
    @usableFromInline var port = PortRange(0)
    /// Bytes from the beginning of the block's memory to the RareCriteria.
    @usableFromInline var rareOffset: UInt32 = 0
    /// PatternNumber, ascending.
    @usableFromInline var patterns = Slice()
    /// PortRange.
    @usableFromInline var ports = Slice()
    /// AddressRange, ascending and disjoint; of a single net of IPv4 its address and length in place of offset and count.
    @usableFromInline var nets = Slice()
    /// The block's memory; nil while it is built.
    @usableFromInline var memory: UnsafeRawPointer?

    @usableFromInline init() { unsafe memory = nil }

    /// Whether it is in the nets that stand in the rule itself.
    @inlinable
    func containsInNet(_ address: IPAddress) -> Bool {
        address.family == .v4 && address.masked(UInt8(truncatingIfNeeded: nets.count)).lower == UInt64(nets.offset)
    }

    @inlinable
    var rare: RareCriteria {
        // Sound: `rareOffset` is set wherever one of the conditions is.
        guard let memory = unsafe memory, rareOffset != 0 else { return RareCriteria() }
        return unsafe memory.load(fromByteOffset: Int(rareOffset), as: RareCriteria.self)
    }
}
