/// Gives out the numbers of rules: a run of them to each origin, of those that no origin has now.
///
/// A number is given again late, after at least `turn` others. Whoever keeps one keeps the version of policy that it is of.
package struct RuleNumbers {
    /// How many numbers are passed, at least, before it begins anew.
    private let turn: UInt32
    private(set) package var origins = PagedTable<RuleOrigin>()
    private var used = 0
    private var next: UInt32 = 0

    package init(turn: UInt32 = 1 << 20) { self.turn = turn }

    mutating package func register(_ subject: RuleOrigin.Subject) -> RuleOrigin {
        // Else the table would grow with all numbers that there ever were.
        if next >= turn, Int(next) / 4 >= used { next = 0 }
        var origin = RuleOrigin(subject, first: next)
        while let other = firstInUse(of: origin) { origin = RuleOrigin(subject, first: other.first + UInt32(other.count)) }
        for number in origin.numbers { origins[number] = origin }
        used += origin.count
        next = origin.first + UInt32(origin.count)
        return origin
    }

    mutating package func release(_ origin: RuleOrigin) {
        for number in origin.numbers { origins[number] = nil }
        used -= origin.count
    }

    private func firstInUse(of origin: RuleOrigin) -> RuleOrigin? {
        for number in origin.numbers {
            if let other = origins[number] { return other }
        }
        return nil
    }
}
