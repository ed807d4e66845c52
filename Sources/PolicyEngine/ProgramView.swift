/// What decisions read of a program: numbers and addresses within the memory that its `PolicyProgram` keeps.
@safe
@frozen
@usableFromInline
struct ProgramView: BitwiseCopyable {
    /// A tier in which some policy with rules for egress selects the endpoint.
    @frozen
    @usableFromInline
    struct Tier: BitwiseCopyable {
        /// Place in `CompiledPolicy.ranks`.
        @usableFromInline var slot: UInt32
        /// Positions of its rules.
        @usableFromInline var first: UInt32
        @usableFromInline var end: UInt32
        /// Of its default action, for `description(ofRule:)`.
        @usableFromInline var number: UInt32
        /// This tier or the first one after it whose default action is Deny and counts; `tierCount` if there is none.
        @usableFromInline var nextDenying: UInt32
        @usableFromInline var counts: Bool
        @usableFromInline var denies: Bool
    }

    @frozen
    @usableFromInline
    struct Flags: OptionSet, BitwiseCopyable {
        @usableFromInline let rawValue: UInt16
        @inlinable
        init(rawValue: UInt16) { self.rawValue = rawValue }

        @inlinable static var isHost: Flags { Flags(rawValue: 1) }
        @inlinable static var hasProfiles: Flags { Flags(rawValue: 2) }
        /// What no tier decided is allowed, as there is no profile.
        @inlinable static var allowsAtEnd: Flags { Flags(rawValue: 4) }
        /// Some rule has patterns of its own.
        @inlinable static var hasPatterns: Flags { Flags(rawValue: 8) }
        /// Some rule has an address set as destination and counts the names of its members.
        @inlinable static var hasSetNames: Flags { Flags(rawValue: 16) }
        /// Some rule asks for an address set of the destination in any way.
        @inlinable static var usesSets: Flags { Flags(rawValue: 32) }
        @inlinable static var hasAnyDestination: Flags { Flags(rawValue: 64) }
        /// Some Deny or Pass rule has names.
        @inlinable static var deniesNames: Flags { Flags(rawValue: 128) }
        /// Some rule has an address set as destination.
        @inlinable static var hasSetRules: Flags { Flags(rawValue: 256) }
        /// No tier has a policy that selects the endpoint, and its profiles allow everything.
        @inlinable static var isOpen: Flags { Flags(rawValue: 1024) }
        /// What one flow is allowed, another to the same destination and port may not be: some rule looks at source ports, logs, or takes
        /// destinations out by names, which may be learned at any time.
        @inlinable static var differsByFlow: Flags { Flags(rawValue: 512) }
        /// Some rule requires names, on the usual ports or on ports of its own.
        @inlinable static var requiresNames: Flags { Flags(rawValue: 2048) }
        @inlinable static var requiresNamesElsewhere: Flags { Flags(rawValue: 4096) }
        /// Some policy that selects the endpoint says which names it may ask for: those that a rule could allow, or any.
        @inlinable static var asksForAllowed: Flags { Flags(rawValue: 8192) }
        @inlinable static var asksForAny: Flags { Flags(rawValue: 16_384) }
        /// Whatever address a name has, some flow to it could be allowed.
        @inlinable static var opensAnyDestination: Flags { Flags(rawValue: 32_768) }
    }

    /// What few decisions read.
    @safe
    @frozen
    @usableFromInline
    struct Rest: BitwiseCopyable {
        /// The parts of long lists, by protocol and port.
        @usableFromInline let parts: PositionIndex
        /// Position of the first rule of a profile.
        @usableFromInline let profileStart: UInt32
        /// Rules whose destination is an address set and that have no patterns of their own: positions, ascending.
        @usableFromInline let setRules: UnsafeMutablePointer<UInt32>
        /// The address sets of Allow rules of policies, ascending.
        @usableFromInline let allowedSets: UnsafeMutablePointer<UInt32>
        /// The blocks of tiers in order: place in `CompiledPolicy.ranks`, and position of the first rule.
        @usableFromInline let blockSlots: UnsafeMutablePointer<UInt32>
        @usableFromInline let blockStarts: UnsafeMutablePointer<UInt32>
        @usableFromInline let setRuleCount: UInt32
        @usableFromInline let allowedSetCount: UInt32
        @usableFromInline let blockCount: UInt32

        init(
            parts: PositionIndex, profileStart: Int, setRules: UnsafeMutablePointer<UInt32>, allowedSets: UnsafeMutablePointer<UInt32>,
            blockSlots: UnsafeMutablePointer<UInt32>, blockStarts: UnsafeMutablePointer<UInt32>, setRuleCount: Int,
            allowedSetCount: Int, blockCount: Int
        ) {
            self.parts = parts
            self.profileStart = UInt32(profileStart)
            unsafe self.setRules = setRules
            unsafe self.allowedSets = allowedSets
            unsafe self.blockSlots = blockSlots
            unsafe self.blockStarts = blockStarts
            self.setRuleCount = UInt32(setRuleCount)
            self.allowedSetCount = UInt32(allowedSetCount)
            self.blockCount = UInt32(blockCount)
        }
    }

    // One cache line: what every decision reads.
    @usableFromInline let index: PositionIndex
    @usableFromInline let lengthCount4: UInt8
    @usableFromInline let lengthCount6: UInt8
    @usableFromInline let flags: Flags
    /// By position.
    @usableFromInline let rules: UnsafeMutablePointer<CompiledRule>
    @usableFromInline let tiers: UnsafeMutablePointer<Tier>
    /// Prefix lengths of the rules' nets, longest first: those of IPv4, then those of IPv6.
    @usableFromInline let lengths: UnsafeMutablePointer<UInt8>
    @usableFromInline let restPointer: UnsafeMutablePointer<Rest>
    @usableFromInline let tierCount: UInt32
    @usableFromInline let ruleCount: UInt32

    @inlinable var rest: Rest { unsafe restPointer.pointee }

    /// Position of the first rule of a profile.
    @inlinable var profileStart: Int { flags.contains(.hasProfiles) ? Int(rest.profileStart) : Int(ruleCount) }

    /// A list of more positions is split by protocol and port.
    @inlinable static var longList: Int { 8 }

    // Sound: whoever asks has a position or place of this program.

    @inlinable
    func rule(_ position: Int) -> RulePointer {
        assert(position < ruleCount)
        return unsafe RulePointer(UnsafePointer(rules + position))
    }

    @inlinable
    func tier(_ place: Int) -> Tier {
        assert(place < tierCount)
        return unsafe tiers[place]
    }

    /// The tier of a rule; `tierCount` for a profile's.
    @inlinable
    func tierPlace(ofRule position: Int) -> Int {
        var place = 0
        while place < Int(tierCount), position >= Int(tier(place).end) { place &+= 1 }
        return place
    }

    /// The block of a tier's rule.
    @inlinable
    func blockPlace(ofRule position: Int) -> Int {
        var low = 0
        var high = Int(rest.blockCount)
        // The last block that begins at or before the position: blocks without rules stand before it.
        while low < high {
            let middle = (low &+ high) >> 1
            if unsafe Int(rest.blockStarts[middle]) <= position { low = middle &+ 1 } else { high = middle }
        }
        return low &- 1
    }
}
