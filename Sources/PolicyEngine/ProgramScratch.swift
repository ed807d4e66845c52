/// Memory that one program after the other is gathered in.
@safe
struct ProgramScratch: ~Copyable {
    var rules: [CompiledRule] = []
    var setRules: [UInt32] = []
    var allowedSets: [UInt32] = []
    var sets: [UInt32] = []
    var blockSlots: [UInt32] = []
    var blockStarts: [UInt32] = []
    var admissions: Set<UInt64> = []
    var index = IndexScratch()
    var parts = IndexScratch()

    mutating func removeAll() {
        rules.removeAll(keepingCapacity: true)
        setRules.removeAll(keepingCapacity: true)
        allowedSets.removeAll(keepingCapacity: true)
        sets.removeAll(keepingCapacity: true)
        blockSlots.removeAll(keepingCapacity: true)
        blockStarts.removeAll(keepingCapacity: true)
        admissions.removeAll(keepingCapacity: true)
    }
}
