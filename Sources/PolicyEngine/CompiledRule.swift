import NetworkTypes

/// One egress rule, flat: two cache lines, what is looked at first in the first. Lists lie in the same memory as the rule, behind the
/// rules of its block, and are found relative to the rule itself.
///
/// A rule of a policy is one compiled rule, or several that are tried one after the other where it has alternatives that differ in more
/// than the address: names and URLs, port numbers and port names.
@frozen
@usableFromInline
struct CompiledRule: Sendable, BitwiseCopyable {
    /// A list behind the rules of the block.
    @frozen
    @usableFromInline
    struct Slice: Sendable, BitwiseCopyable {
        /// Bytes from the rule's own address; while a block is built, the place among all elements of the kind.
        @usableFromInline var offset: Int32 = 0
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

        @inlinable static var nets: Conditions { Conditions(rawValue: 1) }
        @inlinable static var notNets: Conditions { Conditions(rawValue: 2) }
        /// `set`: the addresses of its members, or their names.
        @inlinable static var set: Conditions { Conditions(rawValue: 4) }
        @inlinable static var notSet: Conditions { Conditions(rawValue: 8) }
        @inlinable static var names: Conditions { Conditions(rawValue: 16) }
        @inlinable static var ports: Conditions { Conditions(rawValue: 32) }
        @inlinable static var notPorts: Conditions { Conditions(rawValue: 64) }
        @inlinable static var sourceNets: Conditions { Conditions(rawValue: 128) }
        @inlinable static var sourceNotNets: Conditions { Conditions(rawValue: 256) }
        @inlinable static var sourcePorts: Conditions { Conditions(rawValue: 512) }
        @inlinable static var sourceNotPorts: Conditions { Conditions(rawValue: 1024) }
        /// Named ports.
        @inlinable static var notPortSets: Conditions { Conditions(rawValue: 2048) }
        @inlinable static var sourcePortSet: Conditions { Conditions(rawValue: 4096) }
        @inlinable static var sourceNotPortSets: Conditions { Conditions(rawValue: 8192) }
        @inlinable static var icmpType: Conditions { Conditions(rawValue: 1 << 14) }
        @inlinable static var icmpCode: Conditions { Conditions(rawValue: 1 << 15) }
        @inlinable static var notICMPType: Conditions { Conditions(rawValue: 1 << 16) }
        @inlinable static var notICMPCode: Conditions { Conditions(rawValue: 1 << 17) }
        /// No condition but a property: names of the sets count, for `set` and `notSet`.
        @inlinable static var setNames: Conditions { Conditions(rawValue: 1 << 18) }
        /// No condition but a property: nothing but a name (or being of a set) is asked for, so that the rule can be applied to a query.
        @inlinable static var onlyNames: Conditions { Conditions(rawValue: 1 << 19) }

        /// The flow must have ports.
        @inlinable static var anyPorts: Conditions { Conditions(rawValue: 32 | 64 | 512 | 1024 | 2048 | 4096 | 8192) }
        @inlinable static var anyICMP: Conditions { Conditions(rawValue: 15 << 14) }
        /// Beyond protocol, family, destination ports and the destination itself.
        @inlinable static var rare: Conditions {
            Conditions(rawValue: 2 | 8 | 64 | 128 | 256 | 512 | 1024 | 2048 | 4096 | 8192 | 15 << 14)
        }
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
    /// PatternNumber, ascending.
    @usableFromInline var patterns = Slice()
    /// PortRange.
    @usableFromInline var ports = Slice()
    /// AddressRange, ascending and disjoint.
    @usableFromInline var nets = Slice()
    @usableFromInline var notNets = Slice()
    @usableFromInline var notPorts = Slice()
    @usableFromInline var notSet: UInt32 = 0
    @usableFromInline var icmpType: UInt8 = 0
    @usableFromInline var icmpCode: UInt8 = 0
    @usableFromInline var notICMPType: UInt8 = 0
    @usableFromInline var notICMPCode: UInt8 = 0

    @usableFromInline var sourceNets = Slice()
    @usableFromInline var sourceNotNets = Slice()
    @usableFromInline var sourcePorts = Slice()
    @usableFromInline var sourceNotPorts = Slice()
    /// Numbers of address sets.
    @usableFromInline var notPortSets = Slice()
    @usableFromInline var sourceNotPortSets = Slice()
    @usableFromInline var sourcePortSet: UInt32 = 0
    /// Place of the rule in its policy.
    @usableFromInline var place: UInt32 = 0

    @usableFromInline init() {}
}
