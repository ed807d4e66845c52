/// Reads the elements of a pattern, root first.
struct PatternElements {
    private let code: [UInt8]
    private var position = 0

    /// `code` must be what `PatternElement.code` gave.
    init(_ code: [UInt8]) { self.code = code }

    mutating func next() -> PatternElement? {
        guard position < code.count else { return nil }
        let tag = code[position]
        position += 1
        switch tag {
        case 0x40: return .labels(least: 1, .anyBytes)
        case 0x41: return .oneLabel
        case 0x42: return .labels(least: 1, .hostCharacters)
        case 0x43: return .labels(least: 0, .hostCharacters)
        case 0x44: return .labels(least: 0, .anyBytes)
        case 0x45, 0x46:
            let count = Int(code[position])
            position += 1
            return .glob(take(count), tag == 0x45 ? .hostCharacters : .anyBytes)
        case 0x47: return .nothing(text: take(code.count - position))
        default: return .label(take(Int(tag)))
        }
    }

    /// How many labels the rest stands for, if each element of it stands for one.
    var labelsLeft: Int {
        var rest = self
        var count = 0
        while rest.next() != nil { count += 1 }
        return count
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8> {
        defer { position += count }
        return code[position..<(position + count)]
    }
}
