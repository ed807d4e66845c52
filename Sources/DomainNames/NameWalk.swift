/// A name as a lookup goes through it: where its labels begin, and which of them hold other than host characters.
struct NameWalk: ~Copyable {
    let bytes: [UInt8]
    /// Labels.
    let count: Int
    private var offsets = InlineArray<129, UInt16>(repeating: 0)
    /// A bit for each label, from the root on.
    private var foreign: UInt128 = 0

    init(_ name: DomainName, seeksForeign: Bool) {
        bytes = name.rootFirst
        var count = 0
        var position = 0
        while position < bytes.count {
            offsets[count] = UInt16(position)
            let end = position + 1 + Int(bytes[position])
            if seeksForeign {
                for index in (position + 1)..<end where !LabelGlob.isHostCharacter(bytes[index]) { foreign |= 1 << UInt128(count) }
            }
            count += 1
            position = end
        }
        offsets[count] = UInt16(bytes.count)
        self.count = count
    }

    /// Where a label begins in `bytes`, its length not counted, and where it ends.
    func label(_ index: Int) -> (start: Int, end: Int) { (Int(offsets[index]) + 1, Int(offsets[index + 1])) }

    func isOfHostCharacters(_ index: Int) -> Bool { foreign >> UInt128(index) & 1 == 0 }

    /// Whether all labels from `index` to the leaf are.
    func isOfHostCharacters(from index: Int) -> Bool { foreign >> UInt128(index) == 0 }
}
