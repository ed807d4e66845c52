/// What programs take from a block, within the block's memory.
@safe
struct BlockView {
    /// A key of the index, and the rule (from 0 in the block) that stands under it.
    struct Entry: BitwiseCopyable {
        let key: UInt64
        let rule: UInt32
    }

    let rules: UnsafeMutablePointer<CompiledRule>
    let ruleCount: Int
    /// Rules ascending.
    let entries: UnsafeMutablePointer<Entry>
    let entryCount: Int
    /// Rules with names, each with a hash of what decides whether it admits a flow but for the destination.
    let nameRules: UnsafeMutablePointer<Entry>
    let nameRuleCount: Int
    /// Rules whose destination is an address set and that have no patterns of their own, ascending.
    let setRules: UnsafeMutablePointer<UInt32>
    let setRuleCount: Int
    /// Address sets of Allow rules; with repeats.
    let allowedSets: UnsafeMutablePointer<UInt32>
    let allowedSetCount: Int
    /// Address sets of all conditions; with repeats, one for each time that it was acquired.
    let sets: UnsafeMutablePointer<UInt32>
    let setCount: Int
}
