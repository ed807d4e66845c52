/// Memory that one program after the other is gathered in; the compiler's.
final class ProgramScratch {
    /// Taken out while they are filled, and put back empty.
    struct Buffers {
        var rules: [CompiledRule] = []
        /// Positions of rules whose destination is an address set.
        var setRules: [UInt32] = []
        var allowedSets: [UInt32] = []
        var sets: [UInt32] = []
        var blockSlots: [UInt32] = []
        var blockStarts: [UInt32] = []
        var admissions: Set<UInt64> = []
    }

    private var buffers = Buffers()
    let index = IndexScratch()
    let parts = IndexScratch()

    func take() -> Buffers {
        defer { buffers = Buffers() }
        return buffers
    }

    func put(_ filled: consuming Buffers) {
        filled.rules.removeAll(keepingCapacity: true)
        filled.setRules.removeAll(keepingCapacity: true)
        filled.allowedSets.removeAll(keepingCapacity: true)
        filled.sets.removeAll(keepingCapacity: true)
        filled.blockSlots.removeAll(keepingCapacity: true)
        filled.blockStarts.removeAll(keepingCapacity: true)
        filled.admissions.removeAll(keepingCapacity: true)
        buffers = filled
    }
}
