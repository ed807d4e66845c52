/// A label with `*` in it: a prefix, pieces, a suffix.
///
///     api*v*-eu   ->  prefix "api", piece "v", suffix "-eu"
enum LabelGlob {
    /// Letters, digits, `-` and `_`, after folding.
    static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    /// The texts between the stars: one more than there are stars; the first and the last may be empty.
    static func pieces(_ glob: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        glob.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
    }

    /// Prefix and suffix are compared where they must stand, each piece is taken at its first place: no backtracking, at most the
    /// product of both lengths (63 each).
    static func matches(_ glob: ArraySlice<UInt8>, _ label: ArraySlice<UInt8>) -> Bool {
        let pieces = pieces(glob)
        guard pieces.count > 1 else { return label.elementsEqual(glob) }
        let (prefix, suffix) = (pieces[0], pieces[pieces.count - 1])
        guard label.count >= prefix.count + suffix.count, label.starts(with: prefix), label.suffix(suffix.count).elementsEqual(suffix)
        else { return false }
        var rest = label.dropFirst(prefix.count).dropLast(suffix.count)
        for piece in pieces[1..<(pieces.count - 1)] {
            while !rest.starts(with: piece) {
                guard !rest.isEmpty else { return false }
                rest = rest.dropFirst()
            }
            rest = rest.dropFirst(piece.count)
        }
        return true
    }
}
