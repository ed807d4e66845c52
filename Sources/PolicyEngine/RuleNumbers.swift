/// Gives out the numbers of rules; they rise.
struct RuleNumbers {
    private(set) var origins = PagedTable<RuleOrigin>()
    private var next: UInt32 = 0

    mutating func register(_ subject: RuleOrigin.Subject) -> RuleOrigin {
        let origin = RuleOrigin(subject, first: next)
        precondition(UInt64(next) + UInt64(origin.count) < UInt64(UInt32.max), "rule numbers are used up")
        for _ in 0..<origin.count {
            origins[Int(next)] = origin
            next += 1
        }
        return origin
    }

    mutating func release(_ origin: RuleOrigin) {
        for place in 0..<origin.count { origins[Int(origin.first) + place] = nil }
    }
}
