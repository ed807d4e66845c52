import NetworkTypes

/// One egress rule, flat. Ranges index the shared arrays of `CompiledPolicy`; an empty range of a `not` field excludes nothing.
@frozen
@usableFromInline
struct CompiledRule: Sendable, BitwiseCopyable {
    @frozen
    @usableFromInline
    struct Slice: Sendable, BitwiseCopyable, Hashable {
        @usableFromInline var start: UInt32 = 0
        @usableFromInline var count: UInt32 = 0
        @usableFromInline init() {}
    }

    @frozen
    @usableFromInline
    enum Action: UInt8, Sendable, BitwiseCopyable { case allow, deny, pass, log }

    /// What the destination address must fulfil; the fields below are looked at only where a bit is set.
    @frozen
    @usableFromInline
    struct Conditions: OptionSet, Sendable, BitwiseCopyable {
        @usableFromInline let rawValue: UInt16
        @usableFromInline init(rawValue: UInt16) { self.rawValue = rawValue }
        @usableFromInline static let nets = Conditions(rawValue: 1)
        @usableFromInline static let notNets = Conditions(rawValue: 2)
        /// `selector`: the addresses of what it selects, or a name of the sets it selects.
        @usableFromInline static let selected = Conditions(rawValue: 4)
        @usableFromInline static let notSelected = Conditions(rawValue: 8)
        @usableFromInline static let domains = Conditions(rawValue: 16)
        @usableFromInline static let ports = Conditions(rawValue: 32)
        @usableFromInline static let notPorts = Conditions(rawValue: 64)
        @usableFromInline static let sourceNets = Conditions(rawValue: 128)
        @usableFromInline static let sourceNotNets = Conditions(rawValue: 256)
        @usableFromInline static let sourcePorts = Conditions(rawValue: 512)
        @usableFromInline static let sourceNotPorts = Conditions(rawValue: 1024)
        /// The four above that look at ports. A number, because a list of them would allocate in unoptimized builds.
        @usableFromInline static let anyPorts = Conditions(rawValue: 32 | 64 | 512 | 1024)
    }

    @usableFromInline var action: Action = .deny
    /// 4, 6 or 0 for both.
    @usableFromInline var family: UInt8 = 0
    /// 0: any.
    @usableFromInline var transport: UInt8 = 0
    /// 0: none excluded.
    @usableFromInline var notTransport: UInt8 = 0
    @usableFromInline var conditions: Conditions = []
    @usableFromInline var nets = Slice()
    @usableFromInline var notNets = Slice()
    @usableFromInline var selected = Slice()
    @usableFromInline var notSelected = Slice()
    @usableFromInline var ports = Slice()
    @usableFromInline var notPorts = Slice()
    @usableFromInline var sourceNets = Slice()
    @usableFromInline var sourceNotNets = Slice()
    @usableFromInline var sourcePorts = Slice()
    @usableFromInline var sourceNotPorts = Slice()
    /// Names of `domains`; 0 if there are none.
    @usableFromInline var domainSelector: SelectorNumber = 0
    /// Names of the network sets that `selector` selects; 0 if none of them has names.
    @usableFromInline var selectedDomainSelector: SelectorNumber = 0
    @usableFromInline var notSelectedDomainSelector: SelectorNumber = 0
    /// Index into the descriptions.
    @usableFromInline var description: UInt32 = 0

    @usableFromInline init() {}
}
